"""Usage: serve.py FOLDER

Serves the model of model.py by the llama.cpp server of the package unpacked in FOLDER: prints its address on standard
output, logs on standard error, and ends at the end of standard input.
"""

import os
import sys
import tempfile

sys.path.insert(0, sys.argv[1])

import model  # noqa: E402
import xllamacpp  # noqa: E402

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "recital.gguf")
    model.write(path)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = 2
    parameters.n_ctx = 2 * model.CONTEXT
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()
