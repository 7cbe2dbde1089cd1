"""`python -m sandbox`: the sandbox without Django."""

import argparse
from functools import partial

from sandbox.commands import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="sandbox", description="An offline Amazon SES and DNS.")
    add_arguments(parser)
    run(**vars(parser.parse_args()), say=partial(print, flush=True))
