"""Refuses pickles that would exhaust the machine, before one opcode of them runs."""

import pickletools

from ssl_tf.errors import BadInput

OPCODES = 4_000_000
GLOBALS = 10_000
DEPTH = 100
# These change what lies on the stack; all other opcodes make something new of it.
UPDATES = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")


def scan(file, what="pickle"):
    """Walks over the opcodes of one pickle and returns where it ends.

    CPython's unpickler sets aside memory for any memo index a file names, and hashing
    a tuple nested a million deep overflows the C stack. So depths are tracked here as
    the unpickler would build them; nothing is built.

    Raises:
        BadInput: damaged, or nested or memoised beyond any sane checkpoint.
    """
    stack, memo, named = [], {}, 0
    try:
        for count, (op, argument, _) in enumerate(pickletools.genops(file), start=1):
            named += op.name in ("GLOBAL", "STACK_GLOBAL", "INST")
            if count > OPCODES or named > GLOBALS:
                raise BadInput(f"{what}: has more parts than any checkpoint.")
            if step(op, argument, stack, memo) > count:
                raise BadInput(f"{what}: memoises object {argument} of {count}.")
            if stack and stack[-1] is not None and stack[-1] > DEPTH:
                raise BadInput(f"{what}: is nested more than {DEPTH} deep.")
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - a foreign file may fail in any way
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadInput(f"{what}: is no readable pickle ({why}).") from None
    return file.tell()


def step(op, argument, stack, memo):
    """Does to a stack of depths (`None` is a mark) what `op` does to the objects.

    Returns:
        the memo index it wrote, or 0.
    """
    if op.name == "MARK":
        stack.append(None)
    elif op.name == "DUP":
        stack.append(stack[-1])
    elif op.name.endswith("GET"):
        stack.append(memo[int(argument)])
    elif op.name.endswith("PUT") or op.name == "MEMOIZE":
        place = len(memo) if argument is None else int(argument)
        memo[place] = stack[-1]
        return place
    else:
        replace(op, stack)
    return 0


def replace(op, stack):
    """Takes what `op` consumes off the stack and lays the depth of its result on it."""
    before, taken = op.stack_before, []
    if pickletools.markobject in before:
        while (depth := stack.pop()) is not None:
            taken.append(depth)
        before = before[: before.index(pickletools.markobject)]
    for _ in before:
        taken.append(stack.pop())
    if not op.stack_after:
        return
    depths = [depth or 0 for depth in taken]
    if op.name in UPDATES:
        *items, container = depths
        stack.append(max([container, *(depth + 1 for depth in items)]))
    else:
        stack.append(max((depth + 1 for depth in depths), default=0))
