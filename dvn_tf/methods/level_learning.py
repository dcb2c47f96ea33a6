"""How the levels of a task learn together: variations of Eq. 4, all off by default."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class LevelLearning:
    """Settings of how virtual networks learn together. The default is exact Eq. 4."""

    def level_learning(self) -> "LevelLearning":
        """These settings alone, without those of a method that inherits them."""
        names = [field.name for field in dataclasses.fields(LevelLearning)]
        return LevelLearning(**{name: getattr(self, name) for name in names})
