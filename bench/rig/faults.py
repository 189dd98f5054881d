"""What can keep a measurement from being one."""


class CannotMeasure(Exception):
    """The rig cannot be set up; the message says what is missing and what would bring it."""


class WrongAnswer(Exception):
    """A side answered something else than it had to: its figures would mean nothing."""
