"""Answers requests with the code of a tree, in this process, and says what it answered: status and bytes.

    python tests/schema/reads/recorder.py --tree TREE --database URL --documents asked.jsonl --out answers.jsonl
    python tests/schema/reads/recorder.py --tree TREE --database URL < asked.jsonl > answers.jsonl

It runs in any tree that has `schema.server`, also in one without this file, so it imports nothing of the tests. A line that is
asked has `body`, what is sent, and `token`; a line that is answered has `status` and `body`, in Latin-1.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

ENVIRONMENT = {"DJANGO_SETTINGS_MODULE": "backend.settings", "COST_A_MINUTE": "0", "REQUEST_SECONDS": "60"}
META = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/graphql",
    "QUERY_STRING": "",
    "REMOTE_ADDR": "127.0.0.1",
    "SERVER_NAME": "testserver",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "testserver",
    "CONTENT_TYPE": "application/json",
    "HTTP_X_REQUEST_ID": "0" * 32,
    "wsgi.url_scheme": "http",
}


def answering(tree: Path, database: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Load the tree's code over the database; what answers a request."""
    os.environ |= {**ENVIRONMENT, "DATABASE_URL": database}
    os.chdir(tree)
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [str(tree), *(one for one in sys.path if one not in (here, ""))]

    import django  # noqa: PLC0415 - after the environment is set

    django.setup()

    from schema.server import in_process  # noqa: PLC0415
    from schema.server.policy import Policy  # noqa: PLC0415
    from schema.server.requests import Request  # noqa: PLC0415

    assert Path(in_process.__file__).is_relative_to(tree), in_process.__file__
    policy = Policy.of_settings()

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        token = asked.get("token")
        body = json.dumps(asked["body"]).encode()
        meta = {**META, "CONTENT_LENGTH": str(len(body))}
        request = Request(meta | ({"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}), policy)
        request.arrived(body)
        try:
            answered = in_process.answer(request)
        except Exception as error:  # a fault of the server is an answer too
            return {"status": 0, "body": f"{type(error).__name__}: {error}"}
        return {"status": answered.status, "body": answered.body.decode("latin-1")}

    return answer


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]], asked: TextIO, answers: TextIO) -> None:
    """Answer line by line."""
    for line in asked:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, required=True, help="whose code answers")
    parser.add_argument("--database", required=True, help="as in DATABASE_URL")
    parser.add_argument("--documents", type=Path, help="what is asked; else the standard input")
    parser.add_argument("--out", type=Path, help="where the answers go; else the standard output")
    given = parser.parse_args()
    asked = given.documents.resolve() if given.documents else None
    out = given.out.resolve() if given.out else None
    answers = out.open("w") if out else os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whoever prints does not print among the answers
    serve(answering(given.tree.resolve(), given.database), asked.open() if asked else sys.stdin, answers)
    answers.close()


if __name__ == "__main__":
    main()
