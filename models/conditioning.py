"""The condition: what ECG and person say of the heart, as tokens and as a summary."""

import json

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

PERSON_FIELDS = ("sex", "age_years", "height_cm", "weight_kg")  # sex: 0 female, 1 male
USUAL_MEAN, USUAL_STD = (0.5, 62.0, 169.0, 76.0), (0.5, 9.0, 9.0, 14.0)  # of PERSON_FIELDS
WHERE_USED = ("further_fields", "with_ecg_head")  # keys of the configuration that stand there only then


class HeartConditioner(ModelMixin, ConfigMixin):
    """ECG and person -> tokens for cross-attention, and a summary: an embedding and the heart code predicted from it.

    Training drops ECG and person independently. So one network serves ECG + person, either alone, and neither. An
    absent ECG is exactly its null token, and an absent field of the person is exactly that field's null token.

    Args:
        width: of the ECG tokens, of every token given to the denoiser, and of the embedding.
        phenotypes: names of the phenotypes the auxiliary head predicts.
        components: how many principal components of the whole heart it predicts as well; they need no label.
        phenotype_mean, phenotype_std: of the training cohort, in the phenotypes' own units.
        person_mean, person_std: that standardise PERSON_FIELDS, then the further fields (of the training cohort).
        motion: names of the motion numbers it predicts as well, last of all.
        motion_mean, motion_std: of the training cohort, in the numbers' own units.
        further_fields: names of further numbers of the person, each of which gets a token too.
        with_ecg_head: whether the code is predicted from the ECG's pooled vector too, by a line. The embedding is
            bounded, and what is rare is lost in it: the territory of an infarct. Earlier conditioners had none.
    """

    @register_to_config
    def __init__(
        self,
        width: int = 128,
        phenotypes: tuple[str, ...] = (),
        components: int = 0,
        phenotype_mean: tuple[float, ...] = (),
        phenotype_std: tuple[float, ...] = (),
        person_mean: tuple[float, ...] = USUAL_MEAN,
        person_std: tuple[float, ...] = USUAL_STD,
        motion: tuple[str, ...] = (),
        motion_mean: tuple[float, ...] = (),
        motion_std: tuple[float, ...] = (),
        further_fields: tuple[str, ...] = (),
        with_ecg_head: bool = False,
    ) -> None:
        super().__init__()
        fields = len(PERSON_FIELDS) + len(further_fields)
        self.ecg_null = nn.Parameter(torch.randn(width) * 0.02)
        self.person_null = nn.Parameter(torch.randn(fields, width) * 0.02)
        self.person_place = nn.Parameter(torch.randn(fields, width) * 0.02)
        self.person_slope = nn.Parameter(torch.randn(fields, width) * 0.5)
        self.embedding = nn.Sequential(
            nn.Linear((1 + fields) * width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width), nn.LayerNorm(width)
        )
        targets = len(phenotypes) + components + len(motion)
        self.target_head = nn.Linear(width, targets) if targets else None
        self.ecg_head = nn.Linear(width, targets, bias=False) if targets and with_ecg_head else None
        if self.ecg_head is not None:
            nn.init.zeros_(self.ecg_head.weight)  # so that what has learned without it goes on from there

    def forward(
        self, ecg_tokens: Tensor, ecg_pooled: Tensor, person: Tensor, ecg_present: Tensor, person_present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Assemble the condition.

        Args:
            ecg_tokens: (batch, patches, width).
            ecg_pooled: (batch, width).
            person: (batch, 4 + F) PERSON_FIELDS and F further fields in their own units, NaN where absent.
            ecg_present, person_present: (batch,) bool.

        Returns:
            tokens (batch, patches + 1 + 4 + F, width) for cross-attention, and the summary (batch, summary_length). The
            summary is the embedding, followed by the heart code it predicts.
        """
        ecg = torch.cat([ecg_pooled.unsqueeze(1), ecg_tokens], dim=1)  # (B, 1 + N, D)
        ecg = torch.where(ecg_present[:, None, None], ecg, self.ecg_null.to(ecg.dtype))  # (B, 1 + N, D)
        people = self.person_tokens(person, person_present).to(ecg.dtype)  # (B, 4+F, D)
        embedding = self.embedding(torch.cat([ecg[:, :1], people], dim=1).flatten(1))  # (B, D)
        tokens = torch.cat([embedding.unsqueeze(1), ecg[:, 1:], people], dim=1)  # (B, 1+N+4+F, D)
        if self.target_head is None:
            return tokens, embedding
        code = self.target_head(embedding)  # (B, K)
        if self.ecg_head is not None:
            code = code + self.ecg_head(ecg[:, 0])  # (B, K)
        return tokens, torch.cat([embedding, code], dim=1)  # (B, D + K)

    @property
    def code_length(self) -> int:
        """Of the heart code: phenotypes + components + motion numbers."""
        return len(self.config.phenotypes) + self.config.components + len(self.config.motion)

    @property
    def summary_length(self) -> int:
        """Of the summary `forward` returns: embedding + predicted code."""
        return self.config.width + self.code_length

    @property
    def condition_length(self) -> int:
        """Of the global condition: embedding + code + whether there is a code."""
        return self.config.width + self.code_length + 1

    def global_condition(self, summary: Tensor, code: Tensor, code_present: Tensor) -> Tensor:
        """What all slices of a heart are told alike, beside the tokens: (batch, condition_length).

        Args:
            summary: (batch, summary_length).
            code: (batch, code_length) of the heart to be drawn, in the cohort's SDs.
            code_present: (batch,) bool; False withholds the code.
        """
        present = code_present[:, None].to(code.dtype)
        return torch.cat([summary[:, : self.config.width], code * present, present], dim=1)  # (B, D + K + 1)

    def with_code(self, condition: Tensor, code: Tensor) -> Tensor:
        """A global condition (B or 2 B, condition_length) whose first B rows are told another code (B, K)."""
        told = condition.clone()
        told[: len(code), self.config.width : self.config.width + self.code_length] = code.to(condition)
        return told

    def person_tokens(self, person: Tensor, person_present: Tensor) -> Tensor:
        """(batch, 4 + F) values, NaN where absent -> (batch, 4 + F, width)."""
        mean, std = (person.new_tensor(s) for s in (self.config.person_mean, self.config.person_std))
        value = (person - mean) / std  # (B, 4+F)
        known = person_present[:, None] & ~value.isnan()  # (B, 4+F)
        token = value.nan_to_num().unsqueeze(-1) * self.person_slope + self.person_place  # (B, 4+F, D)
        return torch.where(known.unsqueeze(-1), token, self.person_null)  # (B, 4+F, D)

    def to_json_string(self) -> str:
        """The configuration as diffusers writes it, without what came later and is not used here."""
        about = json.loads(super().to_json_string())
        for name in WHERE_USED:
            if not about[name]:
                del about[name]
        return json.dumps(about, indent=2, sort_keys=True) + "\n"

    def predicted(self, summary: Tensor) -> Tensor:
        """The part of a summary that predicts the heart code: (batch, code_length), in the cohort's SDs."""
        return summary[:, self.config.width :]  # (B, K)

    def motion_part(self, code: Tensor) -> Tensor:
        """The part of a heart code (batch, code_length) that tells how it moves: (batch, M), in the cohort's SDs."""
        return code[:, self.code_length - len(self.config.motion) :]

    def motion_numbers(self, code: Tensor) -> dict[str, Tensor]:
        """The motion numbers of a heart code (batch, code_length) by name, each (batch,) in its own unit."""
        mean, std = (code.new_tensor(s) for s in (self.config.motion_mean, self.config.motion_std))
        numbers = self.motion_part(code) * std + mean  # (B, M)
        return dict(zip(self.config.motion, numbers.unbind(1), strict=True))
