"""The edges of a graph of NIR: nested graphs flattened, and the order in which its nodes are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spikebench.errors import TrainingError
from spikebench.records.text import printable

__all__ = ["flattened", "ordered"]

_MOST_NODES = 10_000


def flattened(graph: Any, prefix: str = "") -> tuple[dict[str, Any], list[tuple[str, str]]]:  # noqa: ANN401
    """Replace nested graphs by their nodes: edges to one go to its input, edges from one leave its output.

    Parameters
    ----------
    graph
        A ``nir.NIRGraph``.
    prefix
        Of the names of its nodes.

    Returns
    -------
    nodes : dict
        Nodes by name; those of a nested graph have its name and a dot before their own.
    edges : list of (str, str)
        From and to.

    Raises
    ------
    TrainingError
        If there are too many nodes, an edge names none of them, or a nested graph has not one input and one output.
    """
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    ends: dict[str, tuple[str, str]] = {}
    for name, node in graph.nodes.items():
        full = prefix + str(name)
        if type(node).__name__ != "NIRGraph":
            nodes[full] = node
            ends[full] = (full, full)
            continue
        inner, inner_edges = flattened(node, full + ".")
        nodes |= inner
        edges += inner_edges
        kinds = {key: type(one).__name__ for key, one in node.nodes.items()}
        ends[full] = (
            _only(kinds, "Input", full, full + "."),
            _only(kinds, "Output", full, full + "."),
        )
        if len(nodes) > _MOST_NODES:
            raise TrainingError(f"the graph has more than {_MOST_NODES} nodes")
    for source, target in graph.edges:
        names = (prefix + str(source), prefix + str(target))
        if missing := [name for name in names if name not in ends]:
            raise TrainingError(
                f"an edge names the node {printable(missing[0])}, which the graph lacks"
            )
        edges.append((ends[names[0]][1], ends[names[1]][0]))
    return nodes, edges


def _only(kinds: Mapping[str, str], kind: str, where: str, prefix: str = "") -> str:
    found = [name for name, one in kinds.items() if one == kind]
    if len(found) != 1:
        raise TrainingError(f"{printable(where)} has {len(found)} nodes {kind}; one is read")
    return prefix + found[0]


def ordered(
    kinds: Mapping[str, str], edges: list[tuple[str, str]], inputs: list[str], outputs: list[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Order the nodes so that an edge goes backwards only where it closes a cycle.

    Parameters
    ----------
    kinds
        Kind of each node.
    edges
        From and to.
    inputs, outputs
        Names of the inputs and outputs of the graph; the first of each is used.

    Returns
    -------
    order : list of str
        The nodes that the input reaches, the output last.
    sources : dict of list of str
        Where the edges to each node come from.

    Raises
    ------
    TrainingError
        If no path leads from the input to the output, or there are others that would be left out.
    """
    if not inputs or not outputs:
        raise TrainingError("the graph has no input or no output")
    first, last = inputs[0], outputs[0]
    targets: dict[str, list[str]] = {name: [] for name in kinds}
    for source, target in dict.fromkeys(edges):
        targets[source].append(target)
    finished: list[str] = []
    seen = {first}
    stack = [(first, iter(targets[first]))]
    while stack:
        name, following = stack[-1]
        found = next((one for one in following if one not in seen), None)
        if found is None:
            finished.append(name)
            stack.pop()
        else:
            seen.add(found)
            stack.append((found, iter(targets[found])))
    if last not in seen:
        raise TrainingError("no path leads from the input to the output of the graph")
    _check_ends(seen, edges, outputs)
    order = [name for name in reversed(finished) if name != last] + [last]
    sources = {name: [source for source in order if name in targets[source]] for name in order}
    return order, sources


def _check_ends(reached: set[str], edges: list[tuple[str, str]], outputs: list[str]) -> None:
    """Refuse what would be left out silently: a second input or constant node, a second output."""
    for source, target in edges:
        if target in reached and source not in reached:
            raise TrainingError(
                f"node {printable(source)} leads to {printable(target)}, but no path leads to it from the first input"
            )
    found = [printable(name) for name in outputs if name in reached]
    if len(found) > 1:
        raise TrainingError(
            f"the graph has several outputs ({', '.join(found)[:200]}); one is read"
        )
