"""The nodes of BehaviorTree.CPP, one by one, as blocks and skills of our language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from vlm_bt.tree.btcpp_words import CONDITIONS, NO_EQUAL, QUIET, TYPES
from vlm_bt.tree.export import mapping, value_of
from vlm_bt.tree.findings import START, Mark, Problem
from vlm_bt.tree.parse import RESERVED
from vlm_bt.tree.source import Many, Scalar, Value, resolve
from vlm_bt.tree.source import Mapping as MappingValue
from vlm_bt.tree.xml_source import Element

MOST_CYCLES = 100
_POINTER = re.compile(r"\{\s*([^{}]*?)\s*\}\Z")
_STEPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")


def word(name: str) -> str:
    """`MoveToPose` as move_to_pose: a name of our language; one that it keeps for itself gets an underscore."""
    plain = "_".join(part.lower() for part in _STEPS.split(name) if part)
    plain = re.sub(r"[^a-z0-9_]", "", plain)
    plain = plain if plain[:1].isalpha() else f"x_{plain}".rstrip("_")
    return f"{plain}_" if plain in RESERVED else plain


class Nodes:
    """Translates nodes, adding what has no equal to `problems`."""

    def __init__(self, problems: list[Problem], models: Mapping[str, Element], trees: Mapping[str, str]) -> None:
        self._problems = problems
        self._models = models
        self._trees = trees
        self._rounds = 0

    def root(self, tree: Element) -> Value:
        self._rounds = 0
        return self._node(tree.children[0])

    def _wrong(self, mark: Mark, message: str, help: str = "") -> None:
        self._problems.append(Problem("no-equal", mark, message, help))

    def _node(self, element: Element) -> Value:
        node = self._plain_node(element)
        for attribute, code in element.attributes.items():
            if attribute.startswith("_") and attribute not in QUIET:
                self._wrong(
                    element.mark,
                    f"{attribute[:40]} of <{element.tag[:40]}> has no equal",
                    CONDITIONS.get(attribute, ""),
                )
                node = mapping({_missing(attribute): mapping({"code": value_of(code), "do": Many(START, (node,))})})
        return node

    def _plain_node(self, element: Element) -> Value:
        if element.tag in _BLOCKS:
            return _BLOCKS[element.tag](self, element)
        if element.tag == "SubTree":
            return self._subtree(element)
        if element.tag in ("Action", "Condition"):
            return self._skill(element, element.attributes.get("ID", ""))
        kind = getattr(self._models.get(element.tag), "tag", element.tag)
        if element.tag in NO_EQUAL or element.children or kind in ("Control", "Decorator", "SubTree"):
            return self._none(element, NO_EQUAL.get(element.tag, ""))
        return self._skill(element, element.tag)

    def _none(self, element: Element, help: str, why: str = "") -> Value:
        """A node that has no equal: named, and written as a skill that there can't be. So the tree does not load."""
        self._wrong(element.mark, f"<{element.tag[:40]}>{why} has no equal", help)
        given = {word(key): value_of(text) for key, text in element.attributes.items() if not key.startswith("_")}
        if element.children:
            given["do"] = Many(START, tuple(self._node(child) for child in element.children))
        name = _missing(element.tag)
        return mapping({name: mapping(given)}) if given else _bare(name)

    # Skills

    def _subtree(self, element: Element) -> Value:
        identity = element.attributes.get("ID", "")
        if identity not in self._trees:
            self._wrong(element.mark, f"there is no tree {identity[:40]!r} in this file", "Import its file as well.")
        if element.attributes.get("_autoremap", "").lower() in ("1", "true"):
            return self._none(element, "Pass each variable by name.", " with _autoremap")
        return self._skill(element, identity)

    def _skill(self, element: Element, identity: str) -> Value:
        if not identity:
            return self._none(element, "", " without an ID")
        if element.children:
            return self._none(element, "A skill has no children.", " with children")
        given = self._name(element, identity)
        for attribute, text in element.attributes.items():
            if attribute not in QUIET and not attribute.startswith("_"):
                if word(attribute) in given:
                    self._wrong(element.mark, f"two ports would be called {word(attribute)!r}")
                given[word(attribute)] = self._value(element, attribute, text, self._type(identity, attribute))
        return mapping({word(identity): mapping(given)}) if given else _bare(word(identity))

    def _name(self, element: Element, identity: str) -> dict[str, Value]:
        """Groot writes the node's ID as its name where the author gave none."""
        name = element.attributes.get("name", "")
        return {"name": value_of(name)} if name and name not in (identity, element.tag) else {}

    def _type(self, identity: str, port: str) -> str | None:
        model = self._models.get(identity)
        ports = {one.attributes.get("name"): one for one in model.children} if model is not None else {}
        return TYPES.get(ports[port].attributes.get("type", "").strip()) if port in ports else None

    def _value(self, element: Element, port: str, text: str, kind: str | None) -> Value:
        pointer = _POINTER.match(text)
        if pointer is None:
            if "{" in text and "}" in text:
                self._wrong(element.mark, f"port {port[:40]!r} mixes text and a variable, which has no equal")
                return plain("$no_equal")
            return typed(text, kind)
        name = port if pointer[1] == "=" else pointer[1]
        if name.startswith("@"):
            self._wrong(element.mark, f"{text[:40]} reads the root's blackboard", "Pass it in as an input.")
            return plain("$no_equal")
        return plain(f"${word(name)}")

    # Blocks

    def _many(self, element: Element, kind: str, **options: object) -> Value:
        if not element.children:
            return self._none(element, "There is nothing to do.", " without children")
        children = Many(START, tuple(self._node(child) for child in element.children))
        given = {**self._name(element, element.tag), **{key: value_of(value) for key, value in options.items()}}
        return mapping({kind: mapping({**given, "do": children}) if given else children})

    def _one(self, element: Element, kind: str, **options: object) -> Value:
        if len(element.children) != 1:
            return self._none(element, "It takes one.", f" with {len(element.children)} children")
        child = self._node(element.children[0])
        given = {**self._name(element, element.tag), **{key: value_of(value) for key, value in options.items()}}
        if not given and kind in ("invert", "always_succeed", "always_fail"):
            return mapping({kind: child})
        return mapping({kind: mapping({**given, "do": child})})

    def _parallel(self, element: Element) -> Value:
        count = len(element.children)
        success, failure = self._whole(element, "success_count", -1), self._whole(element, "failure_count", 1)
        if success is None or failure is None:
            return self._none(element, "Counts are written out here.", " with a count from a variable")
        needed, fatal = (number if number >= 0 else count + 1 + number for number in (success, failure))
        if not 1 <= needed <= count or fatal != count - needed + 1:
            help = f"`parallel` fails as soon as success can't be reached: here, after {count - needed + 1} failures."
            return self._none(element, help, f" that ends after {fatal} failures")
        options = {} if needed == count else {"success": "any" if needed == 1 else needed}
        return self._many(element, "parallel", **options)

    def _retry(self, element: Element) -> Value:
        tries = self._whole(element, "num_attempts", None)
        if tries is None or tries < 1:
            return self._none(element, "`retry` has an end: at_most is a number.", " without an end")
        return self._one(element, "retry", at_most=tries)

    def _repeat(self, element: Element) -> Value:
        cycles = self._whole(element, "num_cycles", None)
        if cycles is None or not 1 <= cycles <= MOST_CYCLES:
            help = "Use `repeat` with until and at_most: every loop here has an end."
            return self._none(element, help, f" other than 1 to {MOST_CYCLES} times")
        self._rounds += 1
        item = plain("$round" if self._rounds == 1 else f"$round_{self._rounds}")
        return self._one(element, "for_each", **{"item": item, "in": [str(n + 1) for n in range(cycles)]})

    def _timeout(self, element: Element) -> Value:
        msec = self._whole(element, "msec", None)
        if msec is None or msec < 1:
            return self._none(element, "A time limit is written out here.", " without a number of milliseconds")
        return self._one(element, "timeout", after_s=msec / 1000)

    def _delay(self, element: Element) -> Value:
        port = "msec" if element.tag == "Sleep" else "delay_msec"
        msec = self._whole(element, port, None)
        if msec is None or msec < 1:
            return self._none(element, "A time to wait is written out here.", " without a number of milliseconds")
        wait = mapping({"wait": mapping({**self._name(element, element.tag), "for_s": value_of(msec / 1000)})})
        children = [self._node(child) for child in element.children]
        return mapping({"sequence": Many(START, (wait, *children))}) if children else wait

    def _set(self, element: Element) -> Value:
        key, text = element.attributes.get("output_key", ""), element.attributes.get("value", "")
        pointer = _POINTER.match(key)
        variable = plain(f"${word(pointer[1] if pointer else key)}")
        to = self._value(element, "value", text, None)
        return mapping({"set": mapping({**self._name(element, element.tag), "variable": variable, "to": to})})

    def _always(self, element: Element, kind: str) -> Value:
        name = self._name(element, element.tag)
        return mapping({kind: mapping(name)}) if name else _bare(kind)

    def _whole(self, element: Element, port: str, default: int | None) -> int | None:
        text = element.attributes.get(port)
        if text is None:
            return default
        return int(text) if re.fullmatch(r"\s*[-+]?[0-9]{1,9}\s*", text) else None


_BLOCKS: Mapping[str, Callable[[Nodes, Element], Value]] = {
    "Sequence": lambda nodes, e: nodes._many(e, "sequence"),
    "AsyncSequence": lambda nodes, e: nodes._many(e, "sequence"),
    "ReactiveSequence": lambda nodes, e: nodes._many(e, "sequence", memory=False),
    "Fallback": lambda nodes, e: nodes._many(e, "selector"),
    "AsyncFallback": lambda nodes, e: nodes._many(e, "selector"),
    "ReactiveFallback": lambda nodes, e: nodes._many(e, "selector", memory=False),
    "Parallel": Nodes._parallel,
    "Inverter": lambda nodes, e: nodes._one(e, "invert"),
    "ForceSuccess": lambda nodes, e: nodes._one(e, "always_succeed"),
    "ForceFailure": lambda nodes, e: nodes._one(e, "always_fail"),
    "AlwaysSuccess": lambda nodes, e: nodes._always(e, "always_succeed"),
    "AlwaysFailure": lambda nodes, e: nodes._always(e, "always_fail"),
    "RetryUntilSuccessful": Nodes._retry,
    "Repeat": Nodes._repeat,
    "Timeout": Nodes._timeout,
    "Delay": Nodes._delay,
    "Sleep": Nodes._delay,
    "SetBlackboard": Nodes._set,
}


def typed(text: str, kind: str | None) -> Value:
    """A constant of a port, of the type that <TreeNodesModel> says, or of the one that it looks like."""
    if kind == "text":
        return value_of(text)
    if kind == "texts":
        return value_of([part for part in text.split(";") if part])
    meant = resolve(text.strip()) if text.strip() else text
    return value_of(meant if isinstance(meant, bool | int | float) else text)


def plain(text: str) -> Scalar:
    """A word as it stands: a variable."""
    return Scalar(START, text, text, True)


def calls_with_variables(body: Value) -> Iterator[tuple[str, str, str]]:
    """(skill or block, argument, variable) of everything in a body that names a variable."""
    if isinstance(body, MappingValue):
        for key, entry in body.entries.items():
            if isinstance(entry.value, MappingValue):
                for name, argument in entry.value.entries.items():
                    value = argument.value
                    if isinstance(value, Scalar) and value.plain and value.text.startswith("$"):
                        yield key, name, value.text[1:]
            yield from calls_with_variables(entry.value)
    elif isinstance(body, Many):
        for item in body.items:
            yield from calls_with_variables(item)


def _missing(tag: str) -> str:
    return "_".join(["no_equal", *(part.lower() for part in _STEPS.split(tag) if part)])


def _bare(name: str) -> Scalar:
    return Scalar(START, name, name, True)
