"""Conversations written down in every format, so that reading them back can be compared.

A conversation is a list of ``(speaker, text)``; texts are one line of plain sentences.
"""

import csv
import io
import json

Conversation = list[tuple[str, str]]
ROLES = {"Ophelia": "assistant"}


def role(speaker):
    return ROLES.get(speaker, "user")


def clock(seconds, mark):
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}000"


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def table(rows, delimiter):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def as_chat(conversations):
    return jsonl(
        {"messages": [{"role": role(s), "content": t} for s, t in conversation]}
        for conversation in conversations
    )


def as_sharegpt(conversations):
    sides = {"assistant": "gpt", "user": "human"}
    rows = [
        {"id": str(i), "conversations": [{"from": sides[role(s)], "value": t} for s, t in conversation]}
        for i, conversation in enumerate(conversations)
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def as_alpaca(conversations):
    rows = []
    for conversation in conversations:
        *earlier, asked, said = [text for _, text in conversation]
        history = [list(pair) for pair in zip(earlier[::2], earlier[1::2], strict=True)]
        rows.append(
            {"instruction": asked, "input": "", "output": said} | ({"history": history} if history else {})
        )
    return json.dumps(rows, ensure_ascii=False)


def as_preference(conversations):
    return jsonl(
        {
            "input": {"messages": [{"role": role(s), "content": t} for s, t in conversation[:-1]]},
            "preferred_output": [{"role": "assistant", "content": conversation[-1][1]}],
            "non_preferred_output": [{"role": "assistant", "content": "I am just a program."}],
        }
        for conversation in conversations
    )


def as_sillytavern(conversations):
    rows = [{"user_name": "Traveller", "character_name": "Ophelia", "create_date": "2026-01-01"}]
    for speaker, text in [line for conversation in conversations for line in conversation]:
        row = {"name": speaker, "is_user": role(speaker) == "user", "is_system": False, "mes": text}
        if not row["is_user"]:
            row |= {"swipes": ["I am just a program.", text], "swipe_id": 1}
        rows.append(row)
    return jsonl(rows)


def as_discord(conversations):
    messages = []
    for day, conversation in enumerate(conversations):
        date = f"2026-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}"
        for minute, (speaker, text) in enumerate(conversation):
            messages.append(
                {
                    "id": str(len(messages)),
                    "type": "Default",
                    "timestamp": f"{date}T12:{minute % 60:02}:00.000+00:00",
                    "content": text,
                    "author": {
                        "id": speaker,
                        "name": speaker.casefold(),
                        "nickname": speaker,
                        "isBot": False,
                    },
                    "attachments": [],
                }
            )
    channel = {"id": "1", "type": "GuildTextChat", "name": "tavern"}
    return json.dumps({"guild": {"name": "Lanternhill"}, "channel": channel, "messages": messages}, indent=1)


def as_chatterbot(conversations):
    import yaml

    lists = [[text for _, text in conversation] for conversation in conversations]
    return yaml.safe_dump({"categories": ["palace"], "conversations": lists}, allow_unicode=True, width=1000)


def as_turns(conversations):
    rows = [
        {"dialogue_id": f"d{i}", "turns": [{"speaker": s, "utterance": t} for s, t in conversation]}
        for i, conversation in enumerate(conversations)
    ]
    return json.dumps(rows, ensure_ascii=False)


def as_pairs(conversations):
    rows = [(asked[1], said[1]) for c in conversations for asked, said in zip(c[::2], c[1::2], strict=True)]
    return table([("question", "answer"), *rows], "\t")


def as_transcript(conversations):
    rows = [(i, s, t) for i, conversation in enumerate(conversations, 1) for s, t in conversation]
    return table([("conversation", "speaker", "text"), *rows], ",")


def as_conversations(conversations):
    rows = [(i, "\n".join(f"{s}: {t}" for s, t in c)) for i, c in enumerate(conversations, 1)]
    return table([("id", "talk"), *rows], ",")


def as_script(conversations):
    scenes = ["\n".join(f"{s.upper()}: {t}" for s, t in conversation) for conversation in conversations]
    return "\n\n* * *\n\n".join(scenes) + "\n"


def as_fountain(conversations):
    scenes = []
    for number, conversation in enumerate(conversations, 1):
        speeches = "".join(f"\n{s.upper()}\n{t}\n" for s, t in conversation)
        scenes.append(f"INT. LANTERNHILL, ROOM {number} - DAY\n\nThe lamps are lit.\n{speeches}")
    return "Title: The Lamps\nAuthor: Understudy\n\n" + "\n".join(scenes)


def as_srt(conversations):
    blocks, seconds = [], 0
    for conversation in conversations:
        for speaker, text in conversation:
            times = f"{clock(seconds, ',')} --> {clock(seconds + 2, ',')}"
            blocks.append(f"{len(blocks) + 1}\n{times}\n{speaker.upper()}: {text}\n")
            seconds += 3
        seconds += 60
    return "\n".join(blocks)


def as_vtt(conversations):
    blocks, seconds = ["WEBVTT\n", "NOTE made for a test\n"], 0
    for conversation in conversations:
        for speaker, text in conversation:
            plain = text.replace("&", "&amp;").replace("<", "&lt;")
            times = f"{clock(seconds, '.')} --> {clock(seconds + 2, '.')} align:start"
            blocks.append(f"{times}\n<v {speaker}>{plain}</v>\n")
            seconds += 3
        seconds += 60
    return "\n".join(blocks)


def as_markdown(conversations):
    parts = []
    for number, conversation in enumerate(conversations, 1):
        parts.append(f"# Evening {number}")
        parts += [f"**{speaker}:** {text}" for speaker, text in conversation]
    return "\n\n".join(parts) + "\n"


def as_novel(conversations):
    chapters = []
    for number, conversation in enumerate(conversations, 1):
        chapters.append(f"CHAPTER {number}")
        chapters.append("It was evening in Lanternhill.")
        for speaker, text in conversation:
            words = f"{text[:-1]}," if text.endswith(".") else text
            verb = "asked" if text.endswith("?") else "said"
            chapters.append(f'"{words}" {verb} {speaker}.')
    return "\n\n".join(chapters) + "\n"


# Format, file name, writer.
WRITTEN = {
    "chat": ("chat.jsonl", as_chat),
    "ShareGPT": ("sharegpt.json", as_sharegpt),
    "Alpaca": ("alpaca.json", as_alpaca),
    "preference": ("preference.jsonl", as_preference),
    "sillytavern": ("Ophelia - 2026-1-1.jsonl", as_sillytavern),
    "discord": ("tavern.json", as_discord),
    "turns": ("turns.json", as_turns),
    "chatterbot": ("palace.yml", as_chatterbot),
    "pairs": ("answers.tsv", as_pairs),
    "transcript": ("show.csv", as_transcript),
    "conversations": ("talks.csv", as_conversations),
    "script": ("play.txt", as_script),
    "fountain": ("lamps.fountain", as_fountain),
    "SRT": ("episode.srt", as_srt),
    "WebVTT": ("episode.vtt", as_vtt),
    "markdown": ("evenings.md", as_markdown),
    "novel": ("novel.txt", as_novel),
}
