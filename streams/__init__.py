"""What flows and how: settings, topics, codecs, the Faust transport, delivery, metrics and commands."""

__version__ = "0.1.0"
