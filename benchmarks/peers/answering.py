"""What the programs that drive a peer share: read JSON lines, do, answer. Needs nothing but a Python of 3.9 or newer.

A request is {"do": name, ...}: "setup" makes the object that does the rest, every other one calls its method of that
name. What a method returns is the answer, with the seconds it took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def answer_requests(setup: Callable[..., Any], errors: tuple[type[Exception], ...] = ()) -> None:
    """Serve standard input until it ends; whatever else writes to standard output is sent to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    subject: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        try:
            if do == "setup":
                subject = setup(**request)
                answer = dict(subject.facts)
            else:
                start = time.process_time()
                answer = getattr(subject, do)(**request) or {}
                answer["seconds"] = time.process_time() - start
        except (RuntimeError, TypeError, ValueError, AttributeError, ArithmeticError, *errors) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
