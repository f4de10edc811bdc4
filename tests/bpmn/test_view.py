"""Promises 2 and 3 on records: the view is a function of the records alone, and from a valid file it is always valid."""

import copy
import json
import random
from pathlib import Path

import pytest

from collab.bpmn import diff, imports, repair, schema, xml
from collab.bpmn.records import Snapshot
from collab.bpmn.tree import Node
from tests.bpmn.mutate import NAMED, edited, mutated, randomly

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
VECTORS = sorted((FIXTURES / "vectors").glob("*.json"))
ROUNDS = 120


@pytest.fixture(scope="module")
def everything() -> Snapshot:
    return imports.from_tree(xml.parse((FIXTURES / "golden" / "everything.bpmn").read_bytes()))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_vectors_that_typescript_agrees_on(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    seen = repair.view(Snapshot(vector["meta"], vector["nodes"]))
    assert json.loads(repair.canonical(seen)) == vector["view"]


def test_every_named_merge_has_its_vector() -> None:
    assert len(VECTORS) == len(NAMED) + 1


def test_the_golden_file_is_valid_and_needs_no_repair(everything: Snapshot) -> None:
    seen = repair.view(everything)
    assert seen.repairs == []
    assert schema.problems(xml.write(repair.tree(seen))) == []


def test_a_file_with_faults_of_its_own_is_shown_as_it_was() -> None:
    text = (FIXTURES / "golden" / "quirks.bpmn").read_bytes()
    assert repair.view(imports.from_tree(xml.parse(text))).repairs == []


@pytest.mark.parametrize("name", NAMED)
def test_every_named_merge_is_valid(everything: Snapshot, name: str) -> None:
    seen = repair.view(mutated(everything, name))
    assert schema.problems(xml.write(repair.tree(seen))) == [], name


@pytest.mark.parametrize("name", sorted(set(NAMED) - {"untouched"}))
def test_a_repair_is_told_in_words_without_writing_anything(everything: Snapshot, name: str) -> None:
    merged = mutated(everything, name)
    before = copy.deepcopy(merged)
    for one in repair.view(merged).repairs:
        assert one.text
        assert one.rule
    assert (merged.meta, merged.nodes) == (before.meta, before.nodes)


def test_undo_of_a_deletion_brings_the_hidden_flow_back(everything: Snapshot) -> None:
    merged = mutated(everything, "task deleted while a flow was drawn to it")
    assert "~9.f" not in repair.view(merged).nodes
    del merged.nodes["Sub_1"]["d"]
    seen = repair.view(merged)
    assert {"~9.f", "Sub_1"} <= seen.nodes.keys()


def test_the_order_of_records_changes_nothing(everything: Snapshot) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    merges = [mutated(everything, name) for name in NAMED] + [randomly(everything, rng, 10) for _ in range(30)]
    for name, merged in enumerate(merges):
        keys = list(merged.nodes)
        rng.shuffle(keys)
        shuffled = Snapshot(merged.meta, {key: dict(sorted(merged.nodes[key].items(), reverse=True)) for key in keys})
        assert repair.canonical(repair.view(shuffled)) == repair.canonical(repair.view(merged)), name


@pytest.mark.parametrize(
    "seed", [21, 279, 2202], ids=["the root is a host", "two references to one that went", "definitions in a ring"]
)
def test_what_random_damage_once_broke(everything: Snapshot, seed: int) -> None:
    merged = randomly(everything, random.Random(seed), 10)
    backwards = Snapshot(merged.meta, {key: dict(reversed(record.items())) for key, record in merged.nodes.items()})
    assert repair.canonical(repair.view(backwards)) == repair.canonical(repair.view(merged))


def test_unsynchronized_edits_of_a_valid_file_are_always_shown_valid(everything: Snapshot) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for number in range(ROUNDS):
        seen = repair.view(edited(everything, rng, rng.randrange(1, 15)))
        problems = schema.problems(xml.write(repair.tree(seen)))
        assert problems == [], f"seed {seed}, round {number}: {problems[:2]}"
        ids = [node.attributes["id"] for node in _elements(seen.root) if "id" in node.attributes and ":" in node.tag]
        for node in _elements(seen.root):
            for name in ("sourceRef", "targetRef", "bpmnElement", "attachedToRef"):
                assert node.attributes.get(name, ids[0]).rpartition(":")[2] in ids, f"seed {seed}: {node.tag} {name}"


def _elements(root: Node) -> list[Node]:
    found, open_ = [], [root]
    while open_:
        node = open_.pop()
        if node.is_element:
            found.append(node)
            open_ += node.children
    return found


def test_a_file_is_no_edit_of_itself(everything: Snapshot) -> None:
    tree = repair.tree(repair.view(everything))
    again = xml.parse((FIXTURES / "golden" / "everything.bpmn").read_bytes())
    assert diff.Edit.of(tree, again).registers(everything, 7).changes == []
