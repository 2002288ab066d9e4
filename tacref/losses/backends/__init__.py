"""The computation itself, by the name of a backend.

"cpu" and "triton" are kernels, which compute values and gradients in one pass; "torch" is plain
tensor operations (`eager`). `tacref.losses.backend` chooses among them.
"""
