"""Every path with an open begin or end, one by one; imports nothing from tacref.

Paths come in the order in which ties are decided: by their end (those in the last row from the
left, then those in the last column from the top), and then going back from there: a begin, then
the steps as they are listed; of `ANY` a diagonal step, a step in x, a step in y.
"""

import itertools
import math

OPEN = (None, "x", "y", "both")
ANY = ((1, 1, 1), (1, 0, 1), (0, 1, 1))
SLOPE = ((1, 1, 1), (1, 2, 1), (2, 1, 1))
ASYMMETRIC = ((1, 0, 1), (1, 1, 1), (1, 2, 1))
# Ties in another order, weights, and steps along a row that skip.
MIXED = ((0, 2, 1), (1, 1, 2), (2, 3, 0.5), (3, 0, 1), (1, 0, 0))
STEPS = {"slope": SLOPE, "asymmetric": ASYMMETRIC, "mixed": MIXED}


def may_begin(i, j, open_begin):
    """Whether a path may begin at a cell."""
    return (
        i == j == 0
        or (i == 0 and open_begin in ("y", "both"))
        or (j == 0 and open_begin in ("x", "both"))
    )


def ends(n, m, open_end):
    """Cells where a path may end, in order."""
    row = [(n - 1, j) for j in range(m)] if open_end in ("y", "both") else []
    column = [(i, m - 1) for i in range(n)] if open_end in ("x", "both") else []
    return row + column or [(n - 1, m - 1)]


def paths_to(i, j, open_begin, steps=ANY):
    """Every path that ends at a cell, in order, by steps (rows, columns, weight)."""
    if i < 0 or j < 0:
        return
    if may_begin(i, j, open_begin):
        yield ((i, j),)
    for down, right, _ in steps:
        for path in paths_to(i - down, j - right, open_begin, steps):
            yield (*path, (i, j))


def open_paths(n, m, open_begin, open_end, steps=ANY):
    """Every path of an n x m matrix, in order."""
    for i, j in ends(n, m, open_end):
        yield from paths_to(i, j, open_begin, steps)


def cost_of(D, path, steps=ANY):
    """Cost of a path: of its first cell, and of each later one times the weight of its step."""
    weights = {(down, right): weight for down, right, weight in steps}
    costs = [D[path[0][0]][path[0][1]]]
    for (i, j), (row, column) in itertools.pairwise(path):
        cost = D[row][column]  # a weight of 0 does not make a forbidden cell free
        costs.append(weights[row - i, column - j] * cost if cost < math.inf else cost)
    return math.fsum(costs)


def cheapest(D, open_begin, open_end, steps=ANY, taken=()):
    """Cost and path of the first of the cheapest paths of a matrix; (inf, None) without any.

    No path from its first to its last column may hold a column that is taken.
    """
    best, best_path = math.inf, None
    for path in open_paths(len(D), len(D[0]), open_begin, open_end, steps):
        if any(path[0][1] <= column <= path[-1][1] for column in taken):
            continue
        cost = cost_of(D, path, steps)
        if cost < best:
            best, best_path = cost, path
    return best, best_path


def matches(D, count, steps=ANY):
    """Greedy matches of the rows in the columns: (begin, end, cost, path), until none is left."""
    found, taken = [], set()
    while len(found) < count:
        cost, path = cheapest(D, "y", "y", steps, taken)
        if path is None:
            break
        begin, end = path[0][1], path[-1][1] + 1
        found.append((begin, end, cost, path))
        taken.update(range(begin, end))
    return found
