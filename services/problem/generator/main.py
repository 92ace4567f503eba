"""Make one problem in the background: an ECS task of the state machine. Its order comes by environment variables."""

from __future__ import annotations

import os
import sys

from common import problems


def main() -> int:
    try:
        topic, difficulty = problems.check_order(os.environ.get("TOPIC"), os.environ.get("DIFFICULTY", "easy"))
        problem = problems.parse("".join(problems.stream(topic, difficulty)))
    except problems.BadProblem as error:
        # The state machine tries again: another answer of the model may be usable.
        print(f"no problem: {error}", file=sys.stderr)
        return 1
    problems.store(os.environ["PROBLEM_ID"], topic, difficulty, problem)
    print(f"problem {os.environ['PROBLEM_ID']} is ready: {problem['title']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
