"""Which processes belong together, by the environment variables that clusters set."""

import pytest

from dvn_tf.distribution import Place, find_place
from dvn_tf.errors import UserError

KERAS = {
    "KERAS_DISTRIBUTION_JOB_ADDRESSES": "node1:29400",
    "KERAS_DISTRIBUTION_NUM_PROCESSES": "4",
    "KERAS_DISTRIBUTION_PROCESS_ID": "2",
}
SLURM_STEP = {
    "SLURM_JOB_ID": "4097",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "gpu[007-009,12]",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
}


def test_nothing_said():
    assert find_place({}) is None


def test_variables_of_keras():
    assert find_place(KERAS) == Place(2, 4, "node1", 29400)
    all_named = KERAS | {"KERAS_DISTRIBUTION_JOB_ADDRESSES": "a:1,b:2,c:3,d:4"}
    assert find_place(all_named) == Place(2, 4, "a", 1)
    del all_named["KERAS_DISTRIBUTION_NUM_PROCESSES"]
    assert find_place(all_named) == Place(2, 4, "a", 1)
    six = KERAS | {"KERAS_DISTRIBUTION_JOB_ADDRESSES": "[fd00::1]:99"}
    assert find_place(six) == Place(2, 4, "fd00::1", 99)


def test_a_step_of_slurm():
    assert find_place(SLURM_STEP) == Place(3, 4, "gpu007", 61441, "slurm")
    assert find_place(SLURM_STEP | {"SLURM_STEP_NODELIST": "a1,a2"}).host == "a1"
    named = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": "other:5"}
    assert find_place(SLURM_STEP | named) == Place(3, 4, "other", 5, "slurm")


def test_open_mpi():
    variables = {
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": "1",
        "OMPI_MCA_orte_hnp_uri": "4097.0;tcp://10.96.0.1,10.148.0.1:34911",
    }
    assert find_place(variables) == Place(1, 2, "10.96.0.1", 61441, "ompi")
    assert find_place(variables | {"OMPI_COMM_WORLD_SIZE": "1"}) is None
    with pytest.raises(UserError, match="Open MPI names no machine"):
        find_place(variables | {"OMPI_MCA_orte_hnp_uri": ""})


def test_the_host_is_the_one_that_jax_finds(monkeypatch):
    slurm = pytest.importorskip("jax._src.clusters.slurm_cluster")
    for nodes in ("n1", "n1,n2", "n[001-015],m2", "n[001,007-015]", "n-a[3]"):
        monkeypatch.setenv("SLURM_STEP_NODELIST", nodes)
        address = slurm.SlurmCluster.get_coordinator_address(None, "1")
        place = find_place(SLURM_STEP | {"SLURM_STEP_NODELIST": nodes})
        assert f"{place.host.rstrip(']')}:1" == address.replace("]", "")


@pytest.mark.parametrize(
    "changed",
    [
        {"SLURM_STEP_NUM_TASKS": "1"},  # srun -n1, of which a script may start many
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_ARRAY_TASK_ID": "3"},
        {"SLURM_STEP_NUM_TASKS": ""},  # a batch script, in which SLURM_NTASKS is the job's
    ],
)
def test_single_tasks_of_slurm_are_by_themselves(changed):
    assert find_place(SLURM_STEP | changed) is None


def test_one_process():
    assert find_place(KERAS | {"KERAS_DISTRIBUTION_NUM_PROCESSES": "1"}) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"KERAS_DISTRIBUTION_PROCESS_ID": ""}, "KERAS_DISTRIBUTION_PROCESS_ID must be set, too"),
        ({"KERAS_DISTRIBUTION_JOB_ADDRESSES": ""}, "JOB_ADDRESSES must be set, too"),
        ({"KERAS_DISTRIBUTION_JOB_ADDRESSES": "node1"}, "as HOST:PORT, such as node1:29400"),
        ({"KERAS_DISTRIBUTION_JOB_ADDRESSES": "a:1,b:2"}, "names 2 processes, but"),
        ({"KERAS_DISTRIBUTION_JOB_ADDRESSES": "a:0"}, "there is no port 0"),
        ({"KERAS_DISTRIBUTION_PROCESS_ID": "4"}, "there is no process 4 among 4"),
        ({"KERAS_DISTRIBUTION_PROCESS_ID": "-1"}, "must be a whole number, not '-1'"),
        ({"KERAS_DISTRIBUTION_NUM_PROCESSES": "two"}, "must be a whole number, not 'two'"),
    ],
)
def test_what_makes_no_sense_is_refused(changed, message):
    with pytest.raises(UserError, match=message):
        find_place(KERAS | changed)
