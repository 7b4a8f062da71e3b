"""From a nearly optimal plan to an optimal one over all eligible pairs: a primal network simplex that stores no pair.

The basis is a tree over rows, buckets and a root ("nobody"): a row hangs on the bucket it has or would go to next, a
full bucket on the row that would leave it, a bucket with places to spare on the root. Most rows are leaves and need
no bookkeeping at all. A pivot takes a pair that is cheaper than the row's own at current prices, lets it push round
the cycle it closes, and moves the prices of the smaller part of the tree. It starts from the tree of shortest ways
of a solved master (:mod:`optimiser.residual`), in which every node can send one unit more to the root; taking the last
blocking arc of a cycle keeps it so, and a tree that is "strongly feasible" can't cycle (Cunningham, *A network simplex
method*, 1976; Ahuja, Magnanti, Orlin, *Network Flows*, 1993, ch. 11).

Flow and tree together are a feasible plan after every pivot, so the work may stop at any time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimiser.arrays import I32, I64, Bool
from optimiser.columns import Columns
from optimiser.flow import Flow
from optimiser.jit import kernel
from optimiser.pairs import Pairs, cheapest
from optimiser.residual import Shortest


class Tree(NamedTuple):
    """Nodes 0 to R-1 are rows, R to R+B-1 buckets, R+B the root. ``price`` is a view by bucket, the root's last."""

    parent: I32
    flow: I64  # on the arc to the parent
    cost: I64  # of that arc
    depth: I32  # of buckets and the root; a row's is its parent's and one
    price: I64
    child: I32  # first child; rows without children are not among their parent's
    after: I32
    before: I32
    listed: Bool
    stack: I32


def plant(pairs: Pairs, columns: Columns, flow: Flow, ways: Shortest) -> Tree:
    """The tree of shortest ways of a master; prices are what the ways cost."""
    rows, buckets = len(pairs.unplaced), len(pairs.capacity)
    root, nodes = rows + buckets, rows + buckets + 1
    parent = np.full(nodes, root, np.int32)
    on, cost = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    cost[:rows], on[:rows] = pairs.unplaced, 1
    placed = np.flatnonzero(flow.column >= 0)
    used = flow.column[placed]
    parent[placed], cost[placed] = rows + columns.bucket[used], columns.cost[used]
    on[rows:root] = pairs.capacity - np.bincount(columns.bucket[used], minlength=buckets)
    full = np.flatnonzero(ways.leaves >= 0)
    leaver = ways.leaves[full]
    parent[rows + full], on[rows + full], cost[rows + full] = leaver, 1, cost[leaver]
    goes = ways.goes[leaver]
    parent[leaver] = np.where(goes >= 0, rows + columns.bucket[goes], root)
    cost[leaver] = np.where(goes >= 0, columns.cost[goes], pairs.unplaced[leaver])
    on[leaver] = 0
    parent[root] = -1
    price = np.zeros(buckets + 1, np.int64)
    price[:buckets] = np.where(ways.leaves >= 0, 0, ways.price)
    none = np.full((3, nodes), -1, np.int32)
    tree = Tree(
        parent, on, cost, np.zeros(nodes, np.int32), price, none[0], none[1], none[2], np.zeros(nodes, np.bool_),
        np.zeros(nodes, np.int32),
    )  # fmt: skip
    _list_all(rows, buckets, tree)
    return tree


def seats(pairs: Pairs, tree: Tree) -> tuple[I64, I64]:
    """Bucket (-1: unplaced) and cost of each row."""
    rows, root = len(pairs.unplaced), len(pairs.unplaced) + len(pairs.capacity)
    bucket, cost = np.full(rows, -1, np.int64), pairs.unplaced.copy()
    own = np.flatnonzero((tree.flow[:rows] > 0) & (tree.parent[:rows] != root))
    bucket[own], cost[own] = tree.parent[own] - rows, tree.cost[own]
    inner = rows + np.flatnonzero((tree.parent[rows:root] < rows) & (tree.flow[rows:root] > 0))
    bucket[tree.parent[inner]], cost[tree.parent[inner]] = inner - rows, tree.cost[inner]
    return bucket, cost


@kernel
def sweep(pairs: Pairs, tree: Tree, order: I64) -> int:
    """Every row in this order, and every bucket, once: pivot wherever something is cheaper. How many pivots."""
    rows = len(pairs.unplaced)
    root = rows + len(pairs.capacity)
    pivots = 0
    for row in order:
        value = tree.cost[row] + tree.price[tree.parent[row] - rows]
        bucket, least = cheapest(pairs, row, tree.price, value)
        if pairs.unplaced[row] < least:
            _pivot(rows, tree, row, root, pairs.unplaced[row], pairs.unplaced[row] - value)
            pivots += 1
        elif bucket >= 0:
            _pivot(rows, tree, row, rows + bucket, least - tree.price[bucket], least - value)
            pivots += 1
    for bucket in range(len(pairs.capacity)):
        if tree.price[bucket] < 0:
            _pivot(rows, tree, root, rows + bucket, 0, tree.price[bucket])
            pivots += 1
    return pivots


@kernel
def _pivot(rows: int, tree: Tree, tail: int, head: int, cost: int, reduced: int) -> None:
    """Bring the arc from ``tail`` (a row or the root) to ``head`` (a bucket or the root) into the tree."""
    parent, flow = tree.parent, tree.flow
    x, y = tail, head
    depth_x = tree.depth[parent[x]] + 1 if x < rows else tree.depth[x]
    depth_y = tree.depth[y]
    least_x = least_y = np.int64(2**62)
    out_x = out_y = -1
    while x != y:
        if depth_x >= depth_y:
            if x < rows and flow[x] < least_x:  # nearest to the entering arc
                least_x, out_x = flow[x], x
            x = parent[x]
            depth_x -= 1
        else:
            if y >= rows and flow[y] <= least_y:  # nearest to the top: the last one round the cycle
                least_y, out_y = flow[y], y
            y = parent[y]
            depth_y -= 1
    pushed = int(min(least_x, least_y))
    if pushed > 0:
        _push(rows, tree, tail, x, pushed, -1)
        _push(rows, tree, head, x, pushed, 1)
    if least_y <= least_x:
        _hang(rows, tree, head, out_y, tail, pushed, cost)
        _shift(rows, tree, head, -reduced)
    else:
        _hang(rows, tree, tail, out_x, head, pushed, cost)
        _shift(rows, tree, tail, reduced)


@kernel
def _push(rows: int, tree: Tree, node: int, top: int, pushed: int, sign: int) -> None:
    """Change the flow on the way up to ``top``: of rows' arcs by ``sign * pushed``, of buckets' by the opposite."""
    while node != top:
        tree.flow[node] += sign * pushed if node < rows else -sign * pushed
        node = tree.parent[node]


@kernel
def _hang(rows: int, tree: Tree, node: int, cut: int, onto: int, flow: int, cost: int) -> None:
    """Cut ``cut`` from its parent and hang its part of the tree, by its ``node``, on ``onto``."""
    parent = tree.parent
    old = parent[cut]
    x = node
    while True:
        _unlist(tree, x)
        if x == cut:
            break
        x = parent[x]
    if old < rows and tree.child[old] < 0:
        _unlist(tree, old)
    x, above = node, onto
    while True:
        next_x, next_flow, next_cost = parent[x], tree.flow[x], tree.cost[x]
        parent[x], tree.flow[x], tree.cost[x] = above, flow, cost
        if x == cut:
            break
        above, x, flow, cost = x, next_x, next_flow, next_cost
    while True:
        if x >= rows or tree.child[x] >= 0:
            _list(tree, x)
        if x == node:
            break
        x = parent[x]
    if onto < rows and not tree.listed[onto] and tree.child[onto] >= 0:
        _list(tree, onto)


@kernel
def _shift(rows: int, tree: Tree, top: int, by: int) -> None:
    """Move all prices at and below a node, and set depths anew."""
    if top < rows and tree.child[top] < 0:
        return
    tree.stack[0] = top
    size = 1
    while size > 0:
        size -= 1
        x = tree.stack[size]
        above = tree.parent[x]
        tree.depth[x] = tree.depth[above] + 1 if above >= rows else tree.depth[tree.parent[above]] + 2
        if x >= rows:
            tree.price[x - rows] += by
        x = tree.child[x]
        while x >= 0:
            tree.stack[size] = x
            size += 1
            x = tree.after[x]


@kernel
def _list(tree: Tree, node: int) -> None:
    """Put a node among its parent's children."""
    above = tree.parent[node]
    head = tree.child[above]
    tree.after[node], tree.before[node] = head, -1
    if head >= 0:
        tree.before[head] = node
    tree.child[above] = node
    tree.listed[node] = True


@kernel
def _unlist(tree: Tree, node: int) -> None:
    """Take a node from its parent's children, if it is there."""
    if not tree.listed[node]:
        return
    before, after = tree.before[node], tree.after[node]
    if before >= 0:
        tree.after[before] = after
    else:
        tree.child[tree.parent[node]] = after
    if after >= 0:
        tree.before[after] = before
    tree.listed[node] = False


@kernel
def _list_all(rows: int, buckets: int, tree: Tree) -> None:
    """Children, depths and prices of a new tree."""
    root = rows + buckets
    for bucket in range(rows, root):
        _list(tree, bucket)
    for row in range(rows):
        if tree.child[row] >= 0:
            _list(tree, row)
    x = tree.child[root]
    while x >= 0:
        _shift(rows, tree, x, 0)
        _price(rows, tree, x)
        x = tree.after[x]


@kernel
def _price(rows: int, tree: Tree, top: int) -> None:
    """Prices below a node by the costs of the tree's arcs."""
    tree.stack[0] = top
    size = 1
    while size > 0:
        size -= 1
        x = tree.stack[size]
        above = tree.parent[x]
        if x >= rows and above < rows:
            tree.price[x - rows] = tree.cost[above] + tree.price[tree.parent[above] - rows] - tree.cost[x]
        x = tree.child[x]
        while x >= 0:
            tree.stack[size] = x
            size += 1
            x = tree.after[x]
