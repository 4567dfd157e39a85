"""What the demo cannot mend itself."""


class DemoError(RuntimeError):
    """The demo cannot go on: one line for a person, and `log`, the last lines of a process, empty or several."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log.strip()
