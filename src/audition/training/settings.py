"""The settings of a training, checked before anything is built."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral

from torch.nn import Module

from audition.datasets.excerpts import Stage
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.features import Features
from audition.models.waveform import config_of
from audition.runs.folder import Run
from audition.training import curriculum
from audition.training.step import Step


@dataclass(frozen=True)
class Settings:
    """The arguments of `audition.commands.train.train`, where each is explained.

    Raises:
        ConfigError: a setting can't be used, or two of them don't go together.
    """

    run: Run
    train_data: Split
    val_data: Split | None
    features: Features
    loss_dictionary: dict
    optimizer: Callable
    batch_size: int
    num_epochs: int
    model_config: dict | None
    model: Module | None
    epoch_length: int | None
    accumulate_batches: int
    excerpt_frames: int | None
    excerpt_seconds: float | None
    curriculum: dict[int, dict] | None
    val_loss_dictionary: dict | None
    loss_combination: str
    val_batch_size: int | None
    val_epoch_length: int | None
    handlers: Sequence[Callable]
    remix: Callable | None
    step: Step | None
    init_from: str | None
    init_strict: bool
    save_every_iterations: int | None
    save_every_epochs: int | None
    skip_nonfinite: int
    num_data_workers: int
    num_threads: int | None
    device: str
    mixed_precision: str | None
    matmul_precision: str
    recompute_blocks: bool
    compile_model: bool
    deterministic: bool
    cudnn_benchmark: bool
    seed: int
    resume: bool
    may_change: Sequence[str]
    rehearse: Callable | None
    instead: Callable | None

    def __post_init__(self):
        self.check_model()
        self.check_counts()
        self.check_features()
        self.check_step()
        self.check_excerpt()
        curriculum.check(self.curriculum or {})
        self.check_precision()
        self.check_sample_rates()
        self.check_extras()

    @property
    def network(self) -> dict:
        """The config of a SeparationModel."""
        return self.model_config if self.model is None else config_of(self.model)

    def check_model(self) -> None:
        if (self.model_config is None) == (self.model is None):
            raise ConfigError(
                "Bind one of train.model_config, such as @build_recurrent_chimera(), and train.model, "
                "such as @ConvTasNet(), not both."
            )

    def check_counts(self) -> None:
        counts = (
            "batch_size",
            "accumulate_batches",
            "num_epochs",
            "epoch_length",
            "val_batch_size",
            "val_epoch_length",
        )
        for name in counts:
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Integral) and value >= 1):
                raise ConfigError(f"train.{name} = {value!r} must be a whole number, at least 1.")
        if self.num_data_workers < 0:
            raise ConfigError(
                f"train.num_data_workers = {self.num_data_workers} must be at least 0, which loads "
                "in the training's own process."
            )
        if self.skip_nonfinite < 0:
            raise ConfigError(
                f"train.skip_nonfinite = {self.skip_nonfinite} must be at least 0, which leaves out "
                "no step."
            )

    def check_features(self) -> None:
        if not isinstance(self.features, Features):
            raise ConfigError(
                f"train.features = {self.features!r} doesn't make features: bind an instance of a "
                "subclass of audition.features.Features, such as @SpectrogramFeatures()."
            )

    def check_step(self) -> None:
        if not isinstance(self.step, Step | None):
            raise ConfigError(
                f"train.step = {self.step!r} is no step: bind an instance of a subclass of "
                "audition.training.Step."
            )

    def check_excerpt(self) -> None:
        if (self.excerpt_frames is None) == (self.excerpt_seconds is None):
            raise ConfigError(
                "Bind one of train.excerpt_frames and train.excerpt_seconds, not both."
            )
        if self.excerpt_seconds is None:
            self.features.num_samples(self.excerpt_frames)  # raises for features without frames

    def check_precision(self) -> None:
        if self.mixed_precision not in (None, "bfloat16", "float16"):
            raise ConfigError(
                f"train.mixed_precision = {self.mixed_precision!r} must be None, 'bfloat16' or "
                "'float16'."
            )
        if self.matmul_precision not in ("highest", "high", "medium"):
            raise ConfigError(
                f"train.matmul_precision = {self.matmul_precision!r} must be 'highest', 'high' or "
                "'medium'."
            )

    def check_sample_rates(self) -> None:
        expected = self.train_data.sample_rate
        if self.val_data is not None and self.val_data.sample_rate != expected:
            raise ConfigError(
                f"train.val_data has a sample rate of {self.val_data.sample_rate} Hz, "
                f"train.train_data of {expected} Hz; give both the same."
            )

    def check_extras(self) -> None:
        """What item transforms add must be true of what the network hears, and be there throughout."""
        added = sorted(self.train_data.extras)
        if added and self.remix is not None:
            raise ConfigError(
                f"train.remix mixes sources of several items, which build_dataset.item_transforms' "
                f"{', '.join(added)} don't describe; bind train.remix = None or take the transforms out."
            )
        if self.val_data is not None and sorted(self.val_data.extras) != added:
            raise ConfigError(
                f"build_dataset.item_transforms add {added} to train.train_data and "
                f"{sorted(self.val_data.extras)} to train.val_data; bind them without a scope, for both."
            )

    @property
    def excerpt_samples(self) -> int:
        """Length of an excerpt in samples."""
        if self.excerpt_seconds is not None:
            return round(self.excerpt_seconds * self.train_data.sample_rate)
        return self.features.num_samples(self.excerpt_frames)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return curriculum.stages(self)

    @property
    def excerpts_per_iteration(self) -> int:
        return self.batch_size * self.accumulate_batches

    @property
    def iterations_per_epoch(self) -> int:
        return self.epoch_length or max(len(self.train_data) // self.excerpts_per_iteration, 1)
