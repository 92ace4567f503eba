"""Grafana's data sources, its API in bulk, its provisioning folder and the role, against a server that answers like it."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grafana_server
import pytest
import yaml
from grafana_server import TOKEN, Grafana
from groundwork.estate.paths import PROJECT
from groundwork.observability import dashboards, grafana_api, grafana_files, grafana_sources, routes

TABLE = routes.load(PROJECT / "terraform" / "routes.yml")
MODELS = dashboards.models("https://docs.example.com/")
CONFIRM = "127.0.0.1:prune-dashboards"


def sources(tenants: tuple[str, ...] = ("blue",)) -> list[dict[str, Any]]:
    return grafana_sources.data_sources(TABLE, "http://lgtm.test.internal", tenants, "ap-northeast-2")


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with grafana_server.serving() as served:
        yield served


def wanted(tenants: tuple[str, ...] = ("blue",), models: list[dict[str, Any]] | None = None) -> grafana_api.Wanted:
    return grafana_api.parse([dashboards.FOLDER], sources(tenants), models or MODELS, dashboards.FOLDER_UID)


def ensure(
    grafana: Grafana, want: grafana_api.Wanted | None = None, check: bool = False, **more: Any
) -> dict[str, Any]:
    grafana.asked.clear()
    server = grafana_api.server(grafana.url, TOKEN)
    return grafana_api.ensure(server, want or wanted(), check, prune_folders=[dashboards.FOLDER_UID], **more)


# -------------------------------------------------------------------------------------------------------- data sources


def test_urls_and_tenant_come_from_the_route_table() -> None:
    found = {one["uid"]: one for one in sources()}
    assert {uid: one["url"].removeprefix("http://lgtm.test.internal") for uid, one in found.items()} == {
        "mimir": "/prometheus", "loki": "", "tempo": "/tempo", "pyroscope": "", "alertmanager": "", "cloudwatch": "",
    }  # fmt: skip
    for uid in ("mimir", "loki", "tempo", "pyroscope"):
        assert found[uid]["jsonData"]["httpHeaderName1"] == TABLE.tenant_header
        assert found[uid]["secureJsonData"] == {"httpHeaderValue1": "blue"}
    assert [uid for uid, one in found.items() if one["isDefault"]] == ["mimir"]
    # What Grafana asks for lands in the right backend.
    for source in grafana_sources.SOURCES:
        if source.use:
            route = TABLE.resolve(grafana_sources.base_path(TABLE, source) + source.api)
            assert route is not None and route.tenant
            assert route.backend == ("mimir" if source.uid == "alertmanager" else source.uid)
            assert route.federated == source.federated, "a list of tenants is let in where the data source sends one"


def test_signals_lead_to_each_other_by_uids_that_are_there() -> None:
    found = sources()
    uids = {one["uid"] for one in found}
    text = json.dumps([one["jsonData"] for one in found])
    linked = {part.split('"')[0] for part in text.split('"datasourceUid": "')[1:]}
    assert linked == {"mimir", "loki", "tempo", "pyroscope"} <= uids
    by_uid = {one["uid"]: one["jsonData"] for one in found}
    assert {"tracesToLogsV2", "tracesToMetrics", "tracesToProfiles", "serviceMap"} <= set(by_uid["tempo"])
    assert by_uid["mimir"]["exemplarTraceIdDestinations"][0]["datasourceUid"] == "tempo"
    assert {one["datasourceUid"] for one in by_uid["loki"]["derivedFields"]} == {"tempo"}


def test_dashboards_know_only_these_data_sources() -> None:
    uids = {one["uid"]: one["type"] for one in sources()}
    for model in MODELS:
        refs = [panel["datasource"] for panel in model["panels"] if panel["type"] != "row"]
        refs += [one["datasource"] for one in model["templating"]["list"]]
        assert all(uids[ref["uid"]] == ref["type"] for ref in refs), model["uid"]


def test_a_former_tenants_data_stay_reachable() -> None:
    found = {one["uid"]: one for one in sources(("red", "green.1", "blue"))}
    reads = {uid: one["secureJsonData"].get("httpHeaderValue1") for uid, one in found.items()}
    # In the order in which the load balancer lets a list in.
    assert {reads[uid] for uid in ("mimir", "loki", "tempo")} == {"blue|green.1|red"}
    # Pyroscope takes one tenant a request, and so does what has to do with rules.
    assert {reads[uid] for uid in ("pyroscope", "alertmanager")} == {"blue"}
    for tenant, end in (("red", "red"), ("green.1", "green-1"), ("blue", "blue")):
        assert {reads[f"{kind}-{end}"] for kind in ("mimir", "loki", "tempo", "pyroscope")} == {tenant}
        links = re.findall(r"'datasourceUid': '([^']+)'", str(found[f"tempo-{end}"]))
        assert set(links) == {f"{kind}-{end}" for kind in ("mimir", "loki", "pyroscope")}
    alerts = {uid: one["jsonData"]["manageAlerts"] for uid, one in found.items() if one["type"] == "prometheus"}
    assert alerts == {"mimir": False, "mimir-red": False, "mimir-green-1": False, "mimir-blue": True}
    assert [uid for uid, one in found.items() if one["isDefault"]] == ["mimir"]
    assert all(len(uid) <= 40 for uid in {one["uid"] for one in sources(("t" * 128, "blue"))})


@pytest.mark.parametrize(
    ("tenants", "endpoint", "words"),
    [
        ((), "http://lgtm", "no tenant"),
        (("a b",), "http://lgtm", "no tenant id"),
        (("a|b",), "http://lgtm", "no tenant id"),
        (("a", "a"), "http://lgtm", "named twice"),
        (("a",), "http://lgtm/prometheus", "without a path"),
        (("a",), "lgtm", "http://"),
    ],
)
def test_data_sources_that_cannot_be(tenants: tuple[str, ...], endpoint: str, words: str) -> None:
    with pytest.raises(grafana_sources.SourceError, match=words):
        grafana_sources.data_sources(TABLE, endpoint, tenants, "eu-west-1")


def test_a_route_that_moved_is_told() -> None:
    data = yaml.safe_load((PROJECT / "terraform" / "routes.yml").read_text())
    next(one for one in data["uses"] if one["name"] == "metrics_query")["path"] = "/prometheus/api/v2/query"
    with pytest.raises(grafana_sources.SourceError, match=r"Mimir: .*metrics_query is /prometheus/api/v2/query"):
        grafana_sources.data_sources(routes.parse(data), "http://lgtm", ("a",), "eu-west-1")


def test_terraforms_template_is_made_from_the_same_table() -> None:
    path = PROJECT / grafana_sources.TEMPLATE
    assert path.read_text() == grafana_sources.template(TABLE), (
        "run: python -m groundwork.observability.grafana_sources"
    )


@pytest.mark.parametrize("tenants", [("blue",), ("it's.red", "green", "blue")])
def test_terraform_renders_what_is_pushed_by_api(tenants: tuple[str, ...], tmp_path: Path) -> None:
    values = {
        "endpoint": "http://lgtm.test.internal", "tenant_header": TABLE.tenant_header, "tenants": list(tenants),
        "current": tenants[-1], "region": "ap-northeast-2",
    }  # fmt: skip
    expression = (
        f"jsonencode(templatefile({json.dumps(str(PROJECT / grafana_sources.TEMPLATE))}, {json.dumps(values)}))\n"
    )
    done = subprocess.run(
        ["terraform", "console"],
        input=expression,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rendered = json.loads(json.loads(done.stdout))
    by_terraform = yaml.safe_load(rendered)
    by_python = yaml.safe_load(grafana_sources.provisioning(sources(tenants)))
    assert sorted(by_terraform["datasources"], key=str) == sorted(by_python["datasources"], key=str)
    assert by_terraform["prune"] is True


def test_dollars_of_the_file_are_no_variables() -> None:
    text = grafana_sources.provisioning(sources())
    found = {one["uid"]: one for one in yaml.safe_load(text)["datasources"]}
    assert found["loki"]["jsonData"]["derivedFields"][0]["url"] == "$${__value.raw}"
    assert "$$__tags" in found["tempo"]["jsonData"]["tracesToMetrics"]["queries"][0]["query"]


# ----------------------------------------------------------------------------------------------------------------- API


def test_everything_is_made_once_and_then_left(grafana: Grafana) -> None:
    first = ensure(grafana)
    assert first["changed"]
    assert len(first["created"]) == 1 + len(sources()) + len(MODELS) and not first["updated"]
    assert set(grafana.dashboards) == {one["uid"] for one in MODELS}
    assert {one["metadata"]["annotations"]["grafana.app/folder"] for one in grafana.dashboards.values()} == {
        "groundwork"
    }
    assert grafana.secrets["mimir"] == {"httpHeaderValue1": "blue"}
    assert [uid for uid, one in grafana.sources.items() if one["isDefault"]] == ["mimir"]
    second = ensure(grafana)
    assert not second["changed"] and second["before"] == second["after"] == {}
    assert grafana.written() == []


def test_the_number_of_reads_does_not_grow(grafana: Grafana) -> None:
    ensure(grafana)
    grafana.page = 200
    ensure(grafana)
    # Health, folders, dashboards as a whole, data sources.
    assert len(grafana.asked) == 4


def test_check_mode_writes_nothing_and_foretells_the_run(grafana: Grafana) -> None:
    foretold = ensure(grafana, check=True)
    assert grafana.written() == [] and not grafana.dashboards
    done = ensure(grafana)
    assert (foretold["created"], foretold["after"]) == (done["created"], done["after"])


def test_what_was_changed_by_hand_is_seen_exactly_and_put_back(grafana: Grafana) -> None:
    ensure(grafana)
    spec = grafana.dashboards["groundwork-host"]["spec"]
    panel = next(one for one in spec["panels"] if one["title"] == "Load")
    panel["targets"][0]["expr"] = "vector(1)"
    spec["panels"].append({"title": "By hand", "type": "text"})
    grafana.folders["groundwork"]["spec"]["title"] = "Mine"
    grafana.dashboards["groundwork-alloy"]["metadata"]["annotations"]["grafana.app/folder"] = ""
    grafana.sources["loki"]["jsonData"]["maxLines"] = 5
    grafana.sources["loki"]["jsonData"]["byHand"] = True
    foretold = ensure(grafana, check=True)
    assert set(foretold["updated"]) == {
        "folder groundwork", "dashboard groundwork-host", "dashboard groundwork-alloy", "data source loki",
    }  # fmt: skip
    assert foretold["before"]["data source loki"] == {"jsonData.maxLines": 5, "jsonData.byHand": True}
    assert foretold["before"]["dashboard groundwork-alloy"] == {"folder": "(none)"}
    assert "By hand" in foretold["before"]["dashboard groundwork-host"]["panels"]
    del spec["panels"][-1]
    one = ensure(grafana, check=True)
    assert one["before"]["dashboard groundwork-host"] == {"panels[Load].targets[A].expr": "vector(1)"}
    assert ensure(grafana)["changed"]
    assert not ensure(grafana)["changed"]
    assert grafana.folders["groundwork"]["spec"]["title"] == "Groundwork"
    assert "byHand" not in grafana.sources["loki"]["jsonData"]


def test_a_new_tenant_changes_secrets_that_nobody_sees(grafana: Grafana) -> None:
    ensure(grafana)
    result = ensure(grafana, wanted(("blue-secret-1", "green-secret-2")))
    assert grafana.secrets["tempo"] == {"httpHeaderValue1": "green-secret-2|blue-secret-1"}
    changed = ("mimir", "loki", "tempo", "pyroscope", "alertmanager")
    assert set(result["updated"]) == {f"data source {uid}" for uid in changed}
    assert result["after"]["data source loki"] == {"secureJsonData": "(hidden, new)"}
    assert len(result["created"]) == 8
    # A data source of one tenant has its name by which people choose it; the header's value is nowhere.
    shown = json.dumps([result["after"][f"data source {uid}"] for uid in changed])
    assert "green-secret-2" not in shown
    assert TOKEN not in shown and TOKEN not in repr(grafana_api.server(grafana.url, TOKEN))
    # Nor does Grafana get them anywhere but where they are kept safe.
    assert "green-secret-2" not in json.dumps([grafana.sources[uid] for uid in changed])
    assert not ensure(grafana, wanted(("blue-secret-1", "green-secret-2")))["changed"]


def test_the_digest_tells_secrets_and_data_sources_apart() -> None:
    assert grafana_api.digest("a", {"x": "1"}) != grafana_api.digest("b", {"x": "1"})
    assert grafana_api.digest("a", {"x": "1"}) != grafana_api.digest("a", {"x": "2"})


def test_pruning_needs_typed_consent(grafana: Grafana) -> None:
    ensure(grafana, wanted(("red", "blue")))
    grafana.save("dashboards", "old", {"metadata": {"annotations": {"grafana.app/folder": "groundwork"}}, "spec": {}})
    grafana.save("dashboards", "other", {"metadata": {"annotations": {"grafana.app/folder": "others"}}, "spec": {}})
    grafana.sources["theirs"] = {"uid": "theirs", "name": "Theirs", "jsonData": {}}
    told = ensure(grafana)
    gone = [f"data source {kind}-{one}" for kind in ("loki", "mimir", "pyroscope", "tempo") for one in ("blue", "red")]
    assert told["unmanaged"] == ["dashboard old", *gone]
    assert "old" in grafana.dashboards
    foretold = ensure(grafana, check=True, prune=True)
    assert foretold["changed"] and foretold["before"]["dashboard old"] == "is there"
    for words in ("", "yes", "127.0.0.1:prune"):
        with pytest.raises(grafana_api.GrafanaProblem, match=f"dashboard old.* give confirm: {CONFIRM}"):
            ensure(grafana, prune=True, confirm=words)
    assert grafana.written() == []
    assert ensure(grafana, prune=True, confirm=CONFIRM)["pruned"] == ["dashboard old", *gone]
    assert "old" not in grafana.dashboards and "other" in grafana.dashboards and "theirs" in grafana.sources
    assert not ensure(grafana, prune=True, confirm=CONFIRM)["changed"]


def test_what_came_from_a_file_is_refused_before_anything_is_written(grafana: Grafana) -> None:
    ensure(grafana)
    grafana.sources["mimir"]["readOnly"] = True
    # The same as wanted: nothing to refuse, though its secret cannot be compared.
    del grafana.sources["mimir"]["jsonData"]["groundworkSecrets"]
    assert not ensure(grafana)["changed"]
    grafana.sources["mimir"]["url"] = "http://elsewhere"
    grafana.dashboards["groundwork-host"]["metadata"]["annotations"]["grafana.app/managedBy"] = (
        "classic-file-provisioning"
    )
    grafana.dashboards["groundwork-host"]["spec"]["title"] = "Other"
    del grafana.dashboards["groundwork-alloy"]
    with pytest.raises(grafana_api.GrafanaProblem) as raised:
        ensure(grafana)
    text = str(raised.value)
    assert text.startswith("nothing was changed") and grafana.written() == []
    assert "data source mimir differs in url, and comes from a file" in text
    assert "dashboard groundwork-host differs, and comes from classic-file-provisioning" in text


def test_a_data_source_of_that_name_with_another_uid_is_told(grafana: Grafana) -> None:
    grafana.sources["P8E80"] = {"uid": "P8E80", "name": "Mimir", "type": "prometheus", "jsonData": {}}
    with pytest.raises(grafana_api.GrafanaProblem, match="Mimir is there with uid P8E80: panels know it as mimir"):
        ensure(grafana)


def test_somebody_who_saves_meanwhile_is_not_overwritten(grafana: Grafana) -> None:
    ensure(grafana)
    spec = grafana.dashboards["groundwork-host"]["spec"]
    spec["title"] = "Other"

    def save() -> None:
        body = {"metadata": grafana.dashboards["groundwork-host"]["metadata"], "spec": {**spec, "title": "Third"}}
        grafana.save("dashboards", "groundwork-host", body)

    grafana.before_write["groundwork-host"] = save
    with pytest.raises(grafana_api.GrafanaProblem, match=r"somebody changed it meanwhile .* Run again"):
        ensure(grafana)
    assert grafana.dashboards["groundwork-host"]["spec"]["title"] == "Third"
    assert ensure(grafana)["updated"] == ["dashboard groundwork-host"]


def test_a_run_that_broke_off_is_finished_by_the_next(grafana: Grafana) -> None:
    def stop() -> None:
        grafana.role = "Viewer"

    grafana.before_write["groundwork-kafka-cluster"] = stop
    with pytest.raises(grafana_api.GrafanaProblem, match="needs role Admin"):
        ensure(grafana)
    grafana.role = "Admin"
    assert len(grafana.dashboards) < len(MODELS)
    assert ensure(grafana)["changed"]
    assert not ensure(grafana)["changed"] and len(grafana.dashboards) == len(MODELS)


def test_health_is_grafanas_own_words(grafana: Grafana) -> None:
    ensure(grafana)
    grafana.unwell["tempo"] = "dial tcp: connection refused"
    assert ensure(grafana, health=["mimir", "tempo", "none"])["unhealthy"] == {
        "tempo": "400: dial tcp: connection refused", "none": "404: Data source not found",
    }  # fmt: skip


def test_refusals_say_what_to_do(grafana: Grafana) -> None:
    def ask(url: str, token: str = "", user: str = "", password: str = "") -> None:
        grafana_api.ensure(grafana_api.server(url, token, user, password), wanted(), check=True)

    ask(grafana.url, user="admin", password="admin")
    with pytest.raises(
        grafana_api.GrafanaProblem, match=r"refuses the log-in \(Invalid API key\).*GRAFANA_TOKEN"
    ) as raised:
        ask(grafana.url, "wrong-token")
    assert "wrong-token" not in str(raised.value)
    with pytest.raises(grafana_api.GrafanaProblem, match="no way in"):
        ask(grafana.url)
    with pytest.raises(grafana_api.GrafanaProblem, match=r"does not answer.*Is Grafana up"):
        ask("http://127.0.0.1:9", TOKEN)
    grafana.version = "11.6.0"
    with pytest.raises(grafana_api.GrafanaProblem, match=r"Grafana 11\.6\.0; .* 12\.0"):
        ask(grafana.url, TOKEN)


@pytest.mark.parametrize(
    ("folders", "data_sources", "models", "words"),
    [
        ([], [], [{"uid": "a"}], "not among the folders"),
        ([{"uid": "f"}], [], [{"uid": "a"}, {"uid": "a"}], "dashboard a is given twice"),
        ([{"uid": "f"}], [], [{"uid": "a" * 41}], "1 to 40"),
        ([{"uid": "f"}], [], [{"title": "x"}], "has uid ''"),
        ([], [{"uid": "a", "name": "X"}, {"uid": "b", "name": "X"}], [], "same name: X"),
    ],
)
def test_objects_that_cannot_be(folders: Any, data_sources: Any, models: Any, words: str) -> None:
    with pytest.raises(grafana_api.GrafanaProblem, match=words):
        grafana_api.parse(folders, data_sources, models, "f")


# ----------------------------------------------------------------------------------------------------------- the files


def render(models: list[dict[str, Any]] | None = None) -> dict[str, str]:
    return grafana_files.render(
        models if models is not None else MODELS, sources(), dashboards.FOLDER, "/etc/lgtm/provisioning"
    )


def write(root: Path, files: dict[str, str], check: bool = False) -> list[str]:
    me = {"owner": str(os.getuid()), "group": str(os.getgid())}
    return [one.path for one in grafana_files.ensure(root, files, check, **me)]


def test_the_folder_is_written_once_and_then_left(tmp_path: Path) -> None:
    root = tmp_path / "provisioning"
    assert sorted(write(root, render(), check=True)) == sorted(render()) and not root.exists()
    assert sorted(write(root, render())) == sorted(render())
    assert write(root, render()) == []
    inode = root.stat().st_ino
    assert write(root, render()) == [] and root.stat().st_ino == inode
    provider = yaml.safe_load((root / grafana_files.PROVIDER).read_text())["providers"][0]
    assert provider["options"]["path"] == "/etc/lgtm/provisioning/dashboards/groundwork"
    assert (provider["folder"], provider["folderUid"]) == ("Groundwork", "groundwork")
    for path in render():
        assert (root / path).stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["provisioning"], "nothing is left beside it"


def test_what_is_not_wanted_goes_and_others_files_stay(tmp_path: Path) -> None:
    root = tmp_path / "provisioning"
    write(root, render())
    (root / "alerting").mkdir()
    (root / "alerting" / "theirs.yaml").write_text("theirs")
    (root / grafana_files.DASHBOARDS / "old.json").write_text("{}")
    (root / grafana_files.DASHBOARDS / "groundwork-host.json").chmod(0o644)
    changed = copy.deepcopy(MODELS[:-1])
    changed[0]["title"] = "Other"
    gone = f"{grafana_files.DASHBOARDS}/{MODELS[-1]['uid']}.json"
    expected = {
        f"{grafana_files.DASHBOARDS}/{changed[0]['uid']}.json", f"{grafana_files.DASHBOARDS}/old.json", gone,
        f"{grafana_files.DASHBOARDS}/groundwork-host.json",
    }  # fmt: skip
    assert set(write(root, render(changed), check=True)) == expected
    assert set(write(root, render(changed))) == expected
    assert not (root / gone).exists() and (root / "alerting" / "theirs.yaml").read_text() == "theirs"
    assert write(root, render(changed)) == []


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(grafana_files.FilesProblem, match="is no folder"):
        write(tmp_path / "file", render())
    with pytest.raises(grafana_files.FilesProblem, match="absolute"):
        write(Path("provisioning"), render())
    with pytest.raises(grafana_files.FilesProblem, match="user and group of Grafana"):
        grafana_files.ensure(tmp_path / "x", render(), False, owner="no-such-user")


# ------------------------------------------------------------------------------------------------------------ the role

PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    lgtm_url: "{url}"
    groundwork_dir: "{project}"
    env: test
    tenant_id: blue-tenant-secret
    aws_region: ap-northeast-2
    catalog: {{tags: {{repository: example/groundwork}}}}
  roles: [grafana]
"""


def play(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(PLAY.format(url=url, project=PROJECT))
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "GRAFANA_TOKEN": TOKEN,
        "ANSIBLE_HOME": str(folder / "ansible"),
    }  # fmt: skip
    return subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}",
         str(folder / "play.yml"), *arguments],
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_the_role_pushes_verifies_and_changes_nothing_the_second_time(grafana: Grafana, tmp_path: Path) -> None:
    data_sources = ["-e", '{"grafana_push_data_sources": true}']
    first = play(tmp_path, grafana.url, *data_sources, "--diff", "-vvv")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "changed=1" in first.stdout and len(grafana.dashboards) == len(MODELS)
    assert "blue-tenant-secret" not in first.stdout and TOKEN not in first.stdout
    link = grafana.dashboards["groundwork-estate"]["spec"]["links"][1]["url"]
    assert link.startswith("https://github.com/example/groundwork/blob/main/docs/")
    grafana.unwell["loki"] = "no such host"
    second = play(tmp_path, grafana.url, *data_sources)
    assert second.returncode != 0 and "data sources that do not answer: loki: 400: no such host" in second.stdout
    assert "changed=0" in second.stdout


def test_the_role_writes_the_provisioning_folder(tmp_path: Path) -> None:
    me = ["-e", f"grafana_files_owner={os.getuid()} grafana_files_group={os.getgid()}"]
    done = play(
        tmp_path, "http://lgtm.test.internal", "-e", f"grafana_files_path={tmp_path / 'out'}", *me, "--diff", "-vvv"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / grafana_files.SOURCES).exists()
    assert "blue-tenant-secret" not in done.stdout
