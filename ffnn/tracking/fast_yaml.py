"""YAML read in a tenth of the time: scanned, parsed and composed by libyaml, in C.

It knows what files of ffnn are made of. Whatever else it meets, and whatever is wrong, it refuses in words of its own;
then the loader that it stands on reads the text, or says what is wrong.
"""

from typing import Any

import yaml
from yaml._yaml import CParser  # not there where PyYAML was built without libyaml

from ffnn.records import writable
from ffnn.tracking.yaml_loader import LARGEST, TAG, Loader, sound_size

TEXT, LIST, MAPPING = f"{TAG}str", f"{TAG}seq", f"{TAG}map"
OTHERS = {f"{TAG}{kind}" for kind in ("null", "bool", "int", "float")}
"""Scalars that are no text."""

DEEPEST = 100
"""Lists and mappings inside of one another; libyaml knows no end, and 100,000 brackets would kill the process."""


class FastLoader(CParser, Loader):
    """The loader of `ffnn.tracking.yaml_loader`, as far as it goes."""

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        yaml.constructor.SafeConstructor.__init__(self)
        yaml.resolver.Resolver.__init__(self)
        self.most = LARGEST + len(text)
        self._depth = 0
        self._made: dict[int, Any] = {}

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        """Libyaml goes down into a value here."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise RecursionError

    def ascend_resolver(self) -> None:
        """And here up again."""
        self._depth -= 1

    def get_single_node(self) -> yaml.Node | None:
        """What the text says, if it can be written out and says nothing twice."""
        node: yaml.Node | None = CParser.get_single_node(self)
        if node is not None and not isinstance(node, yaml.ScalarNode):
            sound_size(node, self.most, {})
        return node

    def get_single_data(self) -> Any:
        """The value, straight from the nodes: PyYAML's way takes as long as all the rest."""
        node = self.get_single_node()
        return None if node is None else self._value(node)

    def _value(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            if node.tag != TEXT and node.tag not in OTHERS:
                raise ValueError
            value = node.value if node.tag == TEXT else self.yaml_constructors[node.tag](self, node)
            if not writable(value):
                raise ValueError
            return value
        if id(node) not in self._made:  # a reference gives the same value once more
            if node.tag == LIST and isinstance(node, yaml.SequenceNode):
                self._made[id(node)] = [self._value(part) for part in node.value]
            elif node.tag == MAPPING and isinstance(node, yaml.MappingNode):
                self.flatten_mapping(node)
                self._made[id(node)] = {self._value(key): self._value(part) for key, part in node.value}
            else:
                raise ValueError
        return self._made[id(node)]
