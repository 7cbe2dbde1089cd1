"""How pages show a judgement: by a word, in a tone, with an icon. Pure."""

from abc import ABC, abstractmethod

Label = tuple[str, str, str]  # word, tone and icon


class Labelled(ABC):
    """A judgement whose label its state decides."""

    @property
    @abstractmethod
    def label(self) -> Label:
        """By its state."""

    @property
    def word(self) -> str:
        return self.label[0]

    @property
    def tone(self) -> str:
        return self.label[1]

    @property
    def icon(self) -> str:
        return self.label[2]
