"""Permissions of checkpoints: kept and shown as programs that share them expect."""

import openai
import pytest
from running_server import chat_lines, wait_for


@pytest.fixture(scope="module")
def checkpoint(module_client) -> str:
    file = module_client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    job = module_client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=file.id, hyperparameters={"n_epochs": 2}
    )
    wait_for(module_client, job.id)
    return module_client.fine_tuning.jobs.checkpoints.list(job.id).data[-1].fine_tuned_model_checkpoint


@pytest.fixture(scope="module")
def module_client(server):
    with server.client() as client:
        yield client


def test_shares_a_checkpoint_lists_in_pages_and_takes_back(client, checkpoint):
    permissions = client.fine_tuning.checkpoints.permissions
    made = permissions.create(checkpoint, project_ids=["proj_a", "proj_b", "proj_a"]).data
    again = permissions.create(checkpoint, project_ids=["proj_b"]).data

    assert [p.project_id for p in made] == ["proj_a", "proj_b"]
    assert all(p.id.startswith("cp_") and p.object == "checkpoint.permission" for p in made)
    assert again[0].id == made[1].id
    newest_first = [p.project_id for p in permissions.list(checkpoint, limit=1)]
    assert newest_first == ["proj_b", "proj_a"]
    assert [p.project_id for p in permissions.list(checkpoint, order="ascending")] == ["proj_a", "proj_b"]
    assert [p.id for p in permissions.list(checkpoint, project_id="proj_a")] == [made[0].id]

    gone = permissions.delete(made[0].id, fine_tuned_model_checkpoint=checkpoint)

    assert (gone.id, gone.deleted, gone.object) == (made[0].id, True, "checkpoint.permission")
    assert [p.project_id for p in permissions.list(checkpoint)] == ["proj_b"]
    with pytest.raises(openai.NotFoundError) as caught:
        permissions.delete(made[0].id, fine_tuned_model_checkpoint=checkpoint)
    assert caught.value.param == "permission_id"


def test_refuses_what_cannot_be_shared(client, server, checkpoint):
    permissions = client.fine_tuning.checkpoints.permissions
    for name in (str(server.base), "ft:gpt-4o-mini:personal::nothere1"):
        with pytest.raises(openai.NotFoundError) as missing:
            permissions.create(name, project_ids=["proj_a"])
        assert missing.value.code == "model_not_found"
    for ids, param in (
        ([], "project_ids"),
        ("proj_a", "project_ids"),
        ([""], "project_ids[0]"),
        ([3], "project_ids[0]"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            permissions.create(checkpoint, project_ids=ids)
        assert refused.value.param == param
    with pytest.raises(openai.BadRequestError) as order:
        list(permissions.list(checkpoint, order="asc"))
    assert (order.value.param, order.value.code) == ("order", "invalid_value")
    with pytest.raises(openai.BadRequestError) as after:
        list(permissions.list(checkpoint, after="cp_nothere"))
    assert after.value.param == "after"


def test_permissions_go_with_their_model(client, server):
    file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=file.id, hyperparameters={"n_epochs": 1}
    )
    model = wait_for(client, job.id).fine_tuned_model
    client.fine_tuning.checkpoints.permissions.create(model, project_ids=["proj_a"])
    client.models.delete(model)

    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.checkpoints.permissions.list(model)
