"""A county from an empty folder to an empty plan, typed at the command line, over a realm in memory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fixtures.command_line import Desk
from fixtures.identities import a_mint
from quanheng.keycloak.fake import FakeRealm
from quanheng.model.ids import KeycloakId, Username
from quanheng.model.staff import Reason
from quanheng.sources.reasons import EXPLANATIONS


def test_a_first_run_does_everything_and_a_second_one_nothing(ready_desk: Desk) -> None:
    """plan says what sync then does; after it plan is empty and check finds nothing."""
    planned = ready_desk.ask("plan")
    done = ready_desk.ask("sync")
    assert (done["created"], done["groups"]) == (planned["created"], planned["groups"])
    assert done["digest"] == planned["digest"]
    assert done["proposals"] == planned["proposals"] > 0
    again = ready_desk.ask("sync")
    assert (again["changes"], again["created"], again["unchanged"]) == (0, 0, done["created"])
    assert ready_desk.ask("plan")["change_list"] == []
    assert ready_desk.ask("check")["ok"] is True
    assert ready_desk.ask("ledger", "verify")["ok"] is True


def test_nothing_is_synchronised_before_the_bootstrap(desk: Desk) -> None:
    """There is no ledger that could tell of it: exit 2, and the remedy names the command."""
    desk.generate_keys()
    done = desk.type("sync")
    assert done.code == 2
    assert "quanheng bootstrap" in done.err
    assert desk.realm is not None
    assert desk.realm.writes == 0


def test_the_bootstrap_works_once_and_with_two_seals(desk: Desk) -> None:
    """One seal twice is refused, so is a second bootstrap."""
    desk.generate_keys()
    named = [f"{post}={number}" for post, number in desk.founders.items()]
    seal = str(desk.folder / "seal-1")
    assert desk.type("bootstrap", *named, "--seal-file", seal, "--seal-file", seal).code == 8
    assert desk.bootstrap().code == 0
    assert desk.bootstrap().code == 8
    assert desk.ask("ledger", "verify")["entries"] == 1


def test_seals_are_shown_once_and_kept_only_as_hashes(desk: Desk) -> None:
    """Neither the key folder nor a list of keys holds a seal."""
    seals = desk.ask("keys", "generate")["seals"]
    kept = "".join(file.read_text("latin-1") for file in (desk.folder / "keys").iterdir())
    assert len(set(seals)) == 2
    assert not any(seal in kept for seal in seals)
    listed = desk.type("keys", "list").out
    assert not any(seal in listed for seal in seals)


def test_seals_are_written_only_where_nothing_is(desk: Desk) -> None:
    """A seal that could not be written would be lost, so no key is made either."""
    (desk.folder / "seal-1").write_text("somebody's", encoding="utf-8")
    done = desk.type(
        "keys", "generate", "--seal-files", str(desk.folder / "seal-1"), str(desk.folder / "seal-2")
    )
    assert done.code == 2
    assert not (desk.folder / "keys").exists()


def test_the_text_report_is_chinese_and_says_what_to_do_next(ready_desk: Desk) -> None:
    """Counts, reasons of the quarantine and the next command, each with its label; progress on stderr."""
    done = ready_desk.type("sync")
    assert done.code == 0
    reasons = ready_desk.ask("sync")["quarantine"]
    labels = [EXPLANATIONS[Reason(reason)].label for reason in reasons]
    for text in ("新建账号", "隔离原因", *labels, "quanheng proposals", "quanheng quarantine"):
        assert text in done.out
    assert "新建账号" in done.err


def test_no_report_and_no_message_shows_anybodys_number(ready_desk: Desk) -> None:
    """Neither an ID number nor a phone of the feed is in what any command prints."""
    shown = "".join(
        done.out + done.err
        for done in (
            ready_desk.type(word, "--format", form)
            for word in ("plan", "sync", "check", "proposals", "quarantine", "status", "doctor")
            for form in ("text", "json")
        )
    )
    shown += ready_desk.type("ledger", "export").out
    numbers = {row.document_number for row in ready_desk.population.people}
    numbers |= {row.canonical_number for row in ready_desk.population.people}
    phones = {row.phone for row in ready_desk.population.people}
    assert not [value for value in numbers | phones if len(value) >= 11 and value in shown]


def test_tampering_is_named_by_check_and_repaired_by_sync(ready_desk: Desk) -> None:
    """A foreign role is a difference (exit 1); a foreign user is only named (exit 0)."""
    ready_desk.ask("sync")
    realm = ready_desk.realm
    assert realm is not None
    console = realm.as_actor("somebody")
    user = _somebody(console)
    console.tamper_role("foreign")
    console.add_roles(user, frozenset({console.tamper_role("foreign")}))
    found = ready_desk.type("check", "--format", "json")
    assert found.code == 1
    assert [item["kind"] for item in found.report["differences"]] == ["role_remove"]
    assert "不一致" in ready_desk.type("check").out
    assert ready_desk.ask("sync")["changed"] == 1
    console.tamper_service_account("somebody-else")
    assert ready_desk.ask("check")["ok"] is True


def test_a_plan_is_applied_by_its_digest_and_no_other(ready_desk: Desk) -> None:
    """The digest's beginning is enough; after it was applied it is refused."""
    digest = ready_desk.ask("plan")["digest"]
    assert ready_desk.type("apply", "--digest", "0" * 64).code == 8
    assert ready_desk.ask("apply", "--digest", digest[:12])["created"] > 0
    assert ready_desk.type("apply", "--digest", digest).code == 8


def test_an_unsafe_plan_exits_with_4_and_waits_as_a_proposal(ready_desk: Desk) -> None:
    """Nothing is written, plan says why, and the proposal carries the digest."""
    ready_desk.ask("sync")
    realm = ready_desk.realm
    assert realm is not None
    settings = ready_desk.folder / "quanheng.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text + "[safety]\nrevoke = { count = 1, percent = 0 }\n", encoding="utf-8")
    console = realm.as_actor("somebody")
    role = console.tamper_role("foreign")
    for user in list(console.sweep_users())[:5]:
        console.add_roles(user.id, frozenset({role}))
    planned = ready_desk.type("plan", "--format", "json")
    assert planned.code == 4
    assert planned.report["excess"][0]["name"] == "revoke"
    before = realm.writes
    refused = ready_desk.type("sync")
    assert (refused.code, realm.writes) == (4, before)
    assert planned.report["digest"][:12] in refused.err
    waiting = ready_desk.ask("proposals")["proposals"]
    assert planned.report["digest"] in [item["subject"] for item in waiting]


def test_a_refused_source_exits_with_3_and_the_rest_is_done(ready_desk: Desk) -> None:
    """The report names the source and why."""
    (ready_desk.folder / "feed" / "people.csv").write_bytes(b"cut off")
    done = ready_desk.type("sync", "--format", "json")
    assert done.code == 3
    assert done.report["sources"][0]["accepted"] is False
    assert done.report["sources"][0]["message"]


def test_a_server_that_is_down_exits_with_5(ready_desk: Desk) -> None:
    """And status, which asks only the store, still answers."""
    assert ready_desk.realm is not None
    ready_desk.realm.down()
    assert ready_desk.type("sync").code == 5
    assert ready_desk.ask("status")["bootstrapped"] is True


def test_a_quarantined_row_is_shown_only_for_a_reason_that_the_ledger_keeps(ready_desk: Desk) -> None:
    """The list is masked; the original comes with an entry that names who asked, why, and which row."""
    ready_desk.ask("sync")
    rows = ready_desk.ask("quarantine")["rows"]
    wrong = next(row for row in rows if row["staff_no"])
    assert ready_desk.type("quarantine", "--reveal", wrong["key"][:12]).code == 8
    number = next(row.document_number for row in ready_desk.population.people if row.fault is not None)
    held = ready_desk.type("quarantine", "--reveal", wrong["key"], "--reason", f"核对{a_mint().phone()}")
    assert (held.code, number in held.err) == (8, False)
    shown = ready_desk.ask("quarantine", "--reveal", wrong["key"][:12], "--reason", "电话核对该行")
    assert wrong["staff_no"] in shown["original"]
    last = json.loads(ready_desk.type("ledger", "export").out.splitlines()[-1])
    assert (last["kind"], last["body"]["key"], last["body"]["reason"]) == (
        "quarantine_revealed",
        wrong["key"],
        "电话核对该行",
    )


def test_quarantine_lists_a_county_and_a_source(ready_desk: Desk) -> None:
    """Each county mends its own rows."""
    ready_desk.ask("sync")
    every = ready_desk.ask("quarantine")["rows"]
    county = ready_desk.ask("quarantine", "--county", "140902")["rows"]
    assert county == [row for row in every if row["county"] == "140902"]
    assert ready_desk.ask("quarantine", "--source", "ldap")["rows"] == []


@pytest.mark.parametrize("name", ["data", "index", "ledger"])
def test_a_rotated_key_leaves_everything_readable(ready_desk: Desk, name: str) -> None:
    """The next plan is empty, the ledger verifies and tells of the rotation."""
    ready_desk.ask("sync")
    assert ready_desk.ask("keys", "rotate", name)["version"] == 2
    assert ready_desk.ask("plan")["changes"] == 0
    assert ready_desk.ask("ledger", "verify")["ok"] is True
    kinds = [json.loads(line)["kind"] for line in ready_desk.type("ledger", "export").out.splitlines()]
    assert kinds.count("key_rotated") == 1
    versions = [(key["name"], key["version"]) for key in ready_desk.ask("keys", "list")["keys"]]
    assert (name, 2) in versions


def test_a_backup_brings_back_store_and_keys(ready_desk: Desk, tmp_path: Path) -> None:
    """After losing both, restore and a check find the same state."""
    ready_desk.ask("sync")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long passphrase of ours\n", encoding="utf-8")
    passphrase.chmod(0o600)
    words = [str(tmp_path / "saved"), "--passphrase-file", str(passphrase)]
    saved = ready_desk.ask("backup", *words)
    for file in [*ready_desk.folder.glob("quanheng.db*"), *(ready_desk.folder / "keys").iterdir()]:
        file.unlink()
    assert ready_desk.ask("restore", *words)["rows"] == saved["rows"]
    assert ready_desk.ask("check")["ok"] is True
    assert ready_desk.ask("plan")["changes"] == 0
    assert ready_desk.ask("keys", "generate", "--clients-only")["client_keys"]


def test_anchors_show_that_the_end_was_cut_off(ready_desk: Desk) -> None:
    """The newest anchor is used by itself; one that is not an anchor is refused."""
    ready_desk.ask("sync")
    anchor = Path(ready_desk.ask("ledger", "anchor")["anchor"])
    entries = ready_desk.ask("ledger", "verify")["entries"]
    assert ready_desk.ask("ledger", "verify", "--anchor", str(anchor))["anchored"] == entries - 1
    text = re.sub(r'"sequence": \d+', f'"sequence": {entries + 5}', anchor.read_text())
    (anchor.parent / "forged.json").write_text(text)
    assert ready_desk.type("ledger", "verify", "--anchor", str(anchor.parent / "forged.json")).code == 7


def test_the_doctor_finds_what_was_broken(ready_desk: Desk) -> None:
    """Each fault by its id and with a remedy; exit 1 only when something fails."""
    assert _states(ready_desk)["keys"] == "ok"
    (ready_desk.folder / "keys" / "data.1.key").chmod(0o644)
    (ready_desk.folder / "feed" / "manifest.json").write_text("{", encoding="utf-8")
    done = ready_desk.type("doctor", "--format", "json")
    failed = {check["id"]: check for check in done.report["checks"] if check["state"] == "fail"}
    assert done.code == 1
    assert {"keys", "source.hr"} <= set(failed)
    assert all(check["remedy"] for check in failed.values())
    assert "chmod" in failed["keys"]["remedy"]


def test_the_doctor_changes_nothing_on_a_new_machine(desk: Desk) -> None:
    """Without store and keys it says so; it makes neither."""
    done = desk.type("doctor", "--format", "json")
    assert done.code == 1
    assert not (desk.folder / "quanheng.db").exists()
    assert not (desk.folder / "keys").exists()


def test_the_doctor_reads_no_configuration_that_is_wrong(desk: Desk) -> None:
    """One finding, with the field's name."""
    (desk.folder / "quanheng.toml").write_text("packs = 1\n", encoding="utf-8")
    done = desk.type("doctor", "--format", "json")
    assert (done.code, [check["id"] for check in done.report["checks"]]) == (1, ["config"])


def _states(desk: Desk) -> dict[str, str]:
    checks = desk.type("doctor", "--format", "json").report["checks"]
    return {check["id"]: check["state"] for check in checks}


def _somebody(realm: FakeRealm) -> KeycloakId:
    user = realm.find_user(Username("sx0000010"))
    assert user is not None
    return user.id
