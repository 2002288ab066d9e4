"""A page that follows a performer in the browser: JavaScript, and Python that writes the folder."""

# Costs of a pair of frames that online.js computes, the default first.
COSTS = ("sqeuclidean", "cosine")
