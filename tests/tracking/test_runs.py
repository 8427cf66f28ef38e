"""What a finished run left in MLflow, and how the registry's champion moves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from benchmarks.trivial import STUDY as TRIVIAL
from benchmarks.trivial import make_trivial_project
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from etudes.tracking.live import LiveWriter
from etudes.tracking.registry import CHAMPION, beats_champion, registered_name
from etudes.tracking.runs import artifact_folder, flatten, git_commit
from projects import STUDY, kedro, make_project

MODEL = f"{STUDY}-sample"


def client_of(project: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project / 'mlflow.db'}")


def runs_of(client: MlflowClient, experiment: str = STUDY) -> list[Run]:
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def card(score: float, fingerprint: str = "a", maximise: bool = True) -> dict[str, object]:
    return {
        "dev_score": score,
        "dev_fingerprint": fingerprint,
        "dev_metric": "accuracy",
        "maximise": maximise,
    }


@pytest.fixture
def registry(tmp_path: Path) -> MlflowClient:
    """A registry whose champion has a dev score of 0.5 on the dev split ``a``."""
    client = MlflowClient(f"sqlite:///{tmp_path / 'registry.db'}")
    client.create_registered_model("m")
    version = client.create_model_version(
        "m", source="somewhere", tags={k: str(v) for k, v in card(0.5).items()}
    )
    client.set_registered_model_alias("m", CHAMPION, version.version)
    return client


def test_nested_parameters_are_flattened() -> None:
    nested = {"run": {"seed": 0}, "s": {"fit": {"epochs": 2}, "ngrams": [3, 5], "empty": {}}}
    assert flatten(nested) == {"run.seed": "0", "s.fit.epochs": "2", "s.ngrams": "[3, 5]", "s.empty": "{}"}


def test_only_small_outputs_of_a_node_become_artifacts() -> None:
    assert artifact_folder("report") == ""
    assert artifact_folder("per_class_table") == "tables"
    assert artifact_folder("tfidf_model") is None
    assert artifact_folder("predictions") is None


def test_the_commit_is_that_of_a_clone_of_packed_references_and_of_a_worktree(tmp_path: Path) -> None:
    project, tree = tmp_path / "project", tmp_path / "tree"

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(
            ["git", "-C", project, *who, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    project.mkdir()
    assert git_commit(project) is None
    git("init", "-b", "trunk")
    git("commit", "--allow-empty", "-m", "first")
    first = git("rev-parse", "HEAD")
    assert git_commit(project) == first
    git("worktree", "add", str(tree), "-b", "side")
    git("commit", "--allow-empty", "-m", "second")
    assert git_commit(tree) == first != git_commit(project)
    git("pack-refs", "--all")
    assert git_commit(tree) == first and git_commit(project) == git("rev-parse", "HEAD")
    git("checkout", "--detach", first)
    assert git_commit(project) == first


def test_live_metrics_are_written_in_batches() -> None:
    batches: list[int] = []
    writer = LiveWriter(lambda values: batches.append(len(values)))
    for step in range(100):
        writer.add("bilstm", step, {"train_loss": 1.0, "dev_loss": 2.0})
    writer.flush()
    writer.flush()
    assert batches == [200]


def test_sample_models_have_a_name_of_their_own() -> None:
    assert registered_name("s", embedded_sample=True) == "s-sample"
    assert registered_name("s", embedded_sample=False) == "s"


def test_first_version_becomes_champion(tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path / 'empty.db'}")
    client.create_registered_model("m")
    assert beats_champion(client, "m", card(0.1), promote_new_data=False)


def test_better_dev_score_takes_the_alias(registry: MlflowClient) -> None:
    assert beats_champion(registry, "m", card(0.51), promote_new_data=False)
    assert not beats_champion(registry, "m", card(0.5), promote_new_data=False)
    assert not beats_champion(registry, "m", card(0.4), promote_new_data=False)


def test_metric_to_be_minimised_turns_the_comparison(registry: MlflowClient) -> None:
    assert beats_champion(registry, "m", card(0.4, maximise=False), promote_new_data=False)
    assert not beats_champion(registry, "m", card(0.6, maximise=False), promote_new_data=False)


def test_other_dev_split_takes_the_alias_only_when_asked(registry: MlflowClient) -> None:
    assert not beats_champion(registry, "m", card(0.9, "b"), promote_new_data=False)
    assert beats_champion(registry, "m", card(0.3, "b"), promote_new_data=True)


def test_scores_of_another_dev_metric_are_not_compared(registry: MlflowClient) -> None:
    other = {**card(0.9), "dev_metric": "macro_f1"}
    assert not beats_champion(registry, "m", other, promote_new_data=False)
    assert beats_champion(registry, "m", {**other, "dev_score": 0.3}, promote_new_data=True)


@pytest.mark.slow
def test_one_run_in_the_experiment_of_the_study_and_no_stray_ones(finished_project: Path) -> None:
    client = client_of(finished_project)
    names = {experiment.name for experiment in client.search_experiments()}
    assert names == {"Default", STUDY}
    (run,) = runs_of(client)
    assert run.info.status == "FINISHED"
    default = client.get_experiment_by_name("Default")
    assert default is not None and not client.search_runs([default.experiment_id])


@pytest.mark.slow
def test_run_holds_parameters_curves_artifacts_and_data(finished_project: Path) -> None:
    client = client_of(finished_project)
    (run,) = runs_of(client)
    assert run.data.params["run.seed"] == "0"
    assert run.data.params[f"{STUDY}.bilstm.fit.epochs"] == "2"
    assert len(client.get_metric_history(run.info.run_id, "bilstm.train_loss")) == 2
    assert {"majority.accuracy", "tfidf.accuracy", "resources.encoder.seconds"} <= set(run.data.metrics)
    assert [name for name in run.data.metrics if name.endswith((".low", ".high"))] == []
    told = json.loads(Path(client.download_artifacts(run.info.run_id, "intervals.json")).read_text())
    accuracy = told["tfidf.accuracy"]
    assert accuracy["low"] <= accuracy["value"] == run.data.metrics["tfidf.accuracy"] <= accuracy["high"]
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "figures", "model", "data", "tables"} <= artifacts
    page = Path(client.download_artifacts(run.info.run_id, "report.html")).read_text(encoding="utf-8")
    assert f"<code>{run.info.run_id}</code>" in page.partition("</header>")[0]
    (data,) = run.inputs.dataset_inputs
    assert run.data.tags["etudes.data_fingerprint"].startswith(data.dataset.digest)
    assert run.data.tags["etudes.embedded_sample"] == "true"


@pytest.mark.slow
def test_database_is_the_projects_whatever_the_folder(tmp_path: Path) -> None:
    """Two runs in two folders of one project: one database, two versions at most, one champion; then a bad run."""
    project = make_project(tmp_path / "project")
    only = f"{STUDY}:\n  variants: [majority]\n"
    (project / "conf" / "local" / "parameters").mkdir()
    (project / "conf" / "local" / "parameters" / f"{STUDY}.yml").write_text(only)
    small = (project / "conf" / "test" / "catalog" / f"{STUDY}.yml").read_text()
    (project / "conf" / "local" / "catalog").mkdir()
    (project / "conf" / "local" / "catalog" / f"{STUDY}.yml").write_text(small)
    for folder in (project, project / "conf" / "base"):
        done = kedro(folder, "run", f"--pipelines={STUDY}")
        assert done.returncode == 0, done.stdout + done.stderr
    assert [path.parent for path in project.rglob("mlflow.db")] == [project]
    client = client_of(project)
    assert len(runs_of(client)) == 2
    assert int(client.get_model_version_by_alias(MODEL, CHAMPION).version) == 1, "the second is not better"
    before = len(client.search_model_versions(f"name = '{MODEL}'"))
    test_file = project / "conf" / "local" / "catalog" / f"{STUDY}.yml"
    test_file.write_text(small.replace("n_test: 100", "n_test: 0"))
    assert kedro(project, "run", f"--pipelines={STUDY}").returncode == 1
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == before, "a failed run registers nothing"
    assert sorted(run.info.status for run in runs_of(client)) == ["FAILED", "FINISHED", "FINISHED"]


@pytest.mark.slow
def test_two_studies_of_one_command_have_a_run_each(tmp_path: Path) -> None:
    project = make_trivial_project(tmp_path / "project")
    chosen = project / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    chosen.write_text(chosen.read_text() + "  variants: [majority]\n")
    done = kedro(project, "run", "--env=test", f"--pipelines={STUDY},{TRIVIAL}")
    assert done.returncode == 0, done.stdout + done.stderr
    client = client_of(project)
    (ours,), (trivial,) = runs_of(client), runs_of(client, TRIVIAL)
    assert {ours.info.status, trivial.info.status} == {"FINISHED"}
    assert f"{STUDY}.split.seed" in ours.data.params and f"{TRIVIAL}.data.rows" not in ours.data.params
    assert f"{TRIVIAL}.data.rows" in trivial.data.params
