"""Answers that were given lately, so that who asks the same again has it at once: who drags to and fro, and a class that opens one link."""

import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Recent:
    """By question, the latest `most` bytes of answers. Each is handed out as a copy; several threads may ask."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0
        self.answers: OrderedDict[Hashable, bytes] = OrderedDict()
        self.changing = threading.Lock()

    def answer(self, asked: Hashable, compute: Callable[[], Any]) -> Any:
        """What was answered, or else what compute answers now; what that raises is not kept."""
        with self.changing:
            if asked in self.answers:
                self.answers.move_to_end(asked)
                return pickle.loads(self.answers[asked])
        answer = compute()
        self._keep(asked, pickle.dumps(answer))
        return answer

    def _keep(self, asked: Hashable, answer: bytes) -> None:
        with self.changing:
            self.size += len(answer) - len(self.answers.pop(asked, b""))
            self.answers[asked] = answer
            while self.size > self.most:
                self.size -= len(self.answers.popitem(last=False)[1])
