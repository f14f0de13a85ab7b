"""What travels between client and server: three requests, artefacts as bodies, errors as one JSON field.

    GET  /v1/program          the program's interface (a "fhe-client" artefact)
    POST /v1/keys             evaluation keys -> {"keys": name}
    POST /v1/run?keys=name    a ciphertext artefact -> a ciphertext artefact

A refusal is a 4xx whose body is {"error": text}; the text says what was wrong with the request.
"""

from __future__ import annotations

PROGRAM, KEYS, RUN = "/v1/program", "/v1/keys", "/v1/run"
MEDIA_TYPE = "application/octet-stream"
KEY_NAME = r"[0-9a-f]{64}"
