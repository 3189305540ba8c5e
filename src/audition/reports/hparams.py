"""A run's row in TensorBoard's HParams tab, which compares the runs of a sweep."""

from audition.runs.folder import Run, sweep_point


def log_row(run: Run, metrics: dict[str, float]) -> None:
    """Writes the run's point of the sweep and its final numbers to `logs/hparams`.

    `tensorboard --logdir <out folder>` shows one row per run, however often its commands are run,
    with the last value of each metric. TensorBoard collects the columns from all rows.

    Args:
        run: one without a record, such as debug's, isn't part of a sweep and gets no row.
        metrics: its final numbers, by name.
    """
    if not run.record.is_file():
        return
    # here, not at the top: a third of a second that only two commands need
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from torch.utils.tensorboard import SummaryWriter

    point = {name: "None" if value is None else value for name, value in sweep_point(run).items()}
    with SummaryWriter(run.hparams) as writer:
        writer.file_writer.add_summary(hparams_pb(point, trial_id=run.label))
        for name, value in metrics.items():
            writer.add_scalar(name, value)
