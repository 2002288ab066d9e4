"""A frozen backbone from an ONNX file: what it takes and gives, how it is run, the head on it.

`preprocessing`, `config` and `model` need no torch; onnx and onnxruntime are loaded when a file is
read.
"""
