// The page reads well without this. It opens the fine print on paper, and shows all replies, chosen and in pages.
(function () {
  "use strict";
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("section details").forEach(function (part) { part.open = true; });
  });
  var tools = document.getElementById("reply-tools");
  var place = document.getElementById("reply-list");
  if (!tools || !place) { return; }
  var status = document.getElementById("reply-status");
  var pager = document.getElementById("reply-pages");
  var deployed = place.dataset.deployed;
  var rival = place.dataset.rival;
  var PAGE = 12;
  var first = place.innerHTML;
  var loaded = {};
  var chosen = { category: "some", outcome: "any", words: "", page: 0 };

  function make(tag, className, text) {
    var node = document.createElement(tag);
    if (className) { node.className = className; }
    if (text !== undefined) { node.textContent = text; }
    return node;
  }

  // A category is read from the page the first time that it is asked for.
  function load(block) {
    var category = "=" + block.dataset.category;
    if (!loaded[category]) {
      loaded[category] = JSON.parse(block.textContent);
      loaded[category].forEach(function (item) { item.title = block.dataset.title; });
    }
    return loaded[category];
  }

  function items() {
    var blocks = Array.prototype.slice.call(document.querySelectorAll("script[data-category]"));
    return blocks.filter(function (block) {
      return chosen.category === "all" || chosen.category === "=" + block.dataset.category;
    }).reduce(function (all, block) { return all.concat(load(block)); }, []);
  }

  // Whether all judged replies of an arm passed; null where none was judged.
  function passed(item, arm) {
    var judged = [];
    item.x.forEach(function (exchange) {
      exchange.r.forEach(function (row) {
        if (row[0] !== arm) { return; }
        row[1].forEach(function (reply) { if (reply[1] === 0 || reply[1] === 1) { judged.push(reply[1]); } });
      });
    });
    return judged.length ? judged.indexOf(0) < 0 : null;
  }

  function fits(item) {
    if (chosen.outcome === "passed" && passed(item, deployed) !== true) { return false; }
    if (chosen.outcome === "failed" && passed(item, deployed) !== false) { return false; }
    if (chosen.outcome === "lost" && !(passed(item, deployed) === false && passed(item, rival) === true)) { return false; }
    if (chosen.outcome === "won" && !(passed(item, deployed) === true && passed(item, rival) === false)) { return false; }
    if (!chosen.words) { return true; }
    return item.x.some(function (exchange) {
      return exchange.q.toLowerCase().indexOf(chosen.words) >= 0 || exchange.r.some(function (row) {
        return row[1].some(function (reply) { return reply[0].toLowerCase().indexOf(chosen.words) >= 0; });
      });
    });
  }

  function drawArm(row) {
    var box = make("div", row[0] === deployed ? "deployed" : "");
    var judged = row[1].filter(function (reply) { return reply[1] === 0 || reply[1] === 1; });
    var good = judged.filter(function (reply) { return reply[1] === 1; }).length;
    var head = make("dt", "", row[0]);
    if (judged.length) {
      var words = judged.length === 1 ? (good ? "passed" : "failed") : good + " of " + judged.length + " passed";
      head.appendChild(make("span", "outcome " + (good === judged.length ? "pass" : "fail"), words));
    }
    box.appendChild(head);
    row[1].forEach(function (reply) {
      var said = make("dd", "", reply[0]);
      if (reply[3]) { said.appendChild(make("span", "cut", reply[3])); }
      var mark = reply[1] === 1 ? " pass" : reply[1] === 0 ? " fail" : "";
      if (reply[2]) { said.appendChild(make("span", "why" + mark, reply[2])); }
      box.appendChild(said);
    });
    return box;
  }

  function drawExchange(exchange, item, alone) {
    var list = make("dl", "");
    if (alone && item.f) {
      var real = make("div", "reference");
      real.appendChild(make("dt", "", "Real line"));
      real.appendChild(make("dd", "", item.f));
      list.appendChild(real);
    }
    exchange.r.forEach(function (row) { list.appendChild(drawArm(row)); });
    return list;
  }

  function drawItem(item) {
    var article = make("article", "probe");
    var title = make("h3", "");
    var alone = item.x.length === 1;
    var turn = item.x[0].t > 1 && alone ? ", turn " + item.x[0].t : "";
    var kind = item.k ? ", " + item.k.replace(/_/g, " ") : "";
    title.appendChild(make("span", "tag", item.title + kind + turn));
    var beside = item.x.filter(function (exchange) { return exchange.a; }).length;
    var length = "A conversation of " + (item.x.length - beside) + " turns" + (beside ? ", " + beside + " questions beside it" : "");
    title.appendChild(make("span", "question", alone ? item.x[0].q : length));
    article.appendChild(title);
    if (item.b) {
      var before = make("details", "before");
      before.appendChild(make("summary", "", item.b.length + (item.b.length > 1 ? " messages before" : " message before")));
      var said = make("ol", "");
      item.b.forEach(function (message) {
        var line = make("li", "");
        line.appendChild(make("span", "dim", message[0] ? "Character: " : "User: "));
        line.appendChild(document.createTextNode(message[1]));
        said.appendChild(line);
      });
      before.appendChild(said);
      article.appendChild(before);
    }
    item.x.forEach(function (exchange) {
      if (!alone) {
        var head = make("p", "turn" + (exchange.a ? " aside-turn" : ""));
        head.appendChild(make("span", "tag", "Turn " + (exchange.t || 1) + (exchange.a ? ", asked beside it" : "")));
        head.appendChild(document.createTextNode(exchange.q));
        article.appendChild(head);
      }
      article.appendChild(drawExchange(exchange, item, alone));
    });
    return article;
  }

  // Pages of about PAGE questions; a conversation counts as its turns and is never cut.
  function paged(found) {
    var pages = [];
    var room = 0;
    found.forEach(function (item) {
      if (room < item.x.length || !pages.length) { pages.push([]); room = Math.max(PAGE, item.x.length); }
      pages[pages.length - 1].push(item);
      room -= item.x.length;
    });
    return pages;
  }

  function press(group, value) {
    tools.querySelectorAll('button[data-sets="' + group + '"]').forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.value === value));
    });
  }

  function show(focus) {
    if (chosen.category === "some" && (chosen.outcome !== "any" || chosen.words)) { chosen.category = "all"; }
    press("category", chosen.category);
    press("outcome", chosen.outcome);
    if (chosen.category === "some") {
      place.innerHTML = first;
      pager.hidden = true;
      status.textContent = place.querySelectorAll(".probe").length + " probes, the first of each category";
      return;
    }
    var found = items().filter(fits);
    var pages = paged(found);
    chosen.page = Math.max(0, Math.min(chosen.page, pages.length - 1));
    var now = pages[chosen.page] || [];
    var before = pages.slice(0, chosen.page).reduce(function (sum, page) { return sum + page.length; }, 0);
    place.textContent = "";
    now.forEach(function (item) { place.appendChild(drawItem(item)); });
    if (!found.length) { place.appendChild(make("p", "empty", "Nothing here fits these choices.")); }
    var span = now.length > 1 ? (before + 1) + " to " + (before + now.length) : String(before + 1);
    status.textContent = found.length ? span + " of " + found.length : "None";
    pager.hidden = pages.length < 2;
    pager.querySelector("[value=back]").disabled = chosen.page === 0;
    pager.querySelector("[value=on]").disabled = chosen.page >= pages.length - 1;
    if (focus) { tools.scrollIntoView(); }
  }

  tools.addEventListener("click", function (event) {
    var button = event.target.closest("button[data-sets]");
    if (!button) { return; }
    chosen[button.dataset.sets] = button.value;
    chosen.page = 0;
    show();
  });
  document.getElementById("reply-words").addEventListener("input", function (event) {
    chosen.words = event.target.value.trim().toLowerCase();
    chosen.page = 0;
    show();
  });
  pager.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) { return; }
    chosen.page += button.value === "on" ? 1 : -1;
    show(true);
  });
  document.getElementById("reply-note").hidden = true;
  tools.hidden = false;
  show();
}());
