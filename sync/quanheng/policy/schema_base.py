"""What every file of a policy pack is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

AsciiId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Label = Annotated[str, Field(min_length=1, max_length=60)]
Article = Annotated[str, Field(pattern=r"^[A-Z]\d{1,2}(\.\d{1,2}){0,3}(\(\d+\))?$")]
"""Citation: letter of the regulation in ``pack.yaml`` and number of the article or section, ``B8.1.5.2``."""

AreaCode = Annotated[str, Field(pattern=r"^\d{2,12}$")]
"""Code of an organisation; everything whose code begins with it lies below it."""


class Part(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
