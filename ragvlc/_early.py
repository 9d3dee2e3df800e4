"""Ctrl-C in the seconds before the command line handles signals: it ends the process at once, without a traceback.

Imported before everything else. Programs that use the package as a library are left alone.
"""

import signal
import sys
from pathlib import PurePath

_command = PurePath(sys.argv[0]).stem == "ragvlc" or (sys.argv[0] == "-m" and "ragvlc" in sys.orig_argv)
if _command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
