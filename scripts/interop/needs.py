"""Imported before the packages that a script needs: one that is missing is told in a line,
with the cure, and not in a traceback, and --help does without them."""
import sys

if {"-h", "--help"} & set(sys.argv[1:]):
    print((sys.modules["__main__"].__doc__ or "").strip())
    sys.exit()

_traceback = sys.excepthook


def _missing(kind, error, trace):
    if not issubclass(kind, ModuleNotFoundError):
        _traceback(kind, error, trace)
        return
    lines = (sys.modules["__main__"].__doc__ or "").splitlines()
    pip = [line.strip() for line in lines if line.strip().startswith("pip install ")]
    cure = "in a virtual environment, %s" % pip[0] if pip else "start it by scripts/interop/interop.sh, which installs what it needs"
    print("%s: no Python package %s; %s" % (sys.argv[0], error.name, cure), file=sys.stderr)


sys.excepthook = _missing
