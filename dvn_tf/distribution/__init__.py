"""Training on several devices and in several processes, on the runtime of JAX.

environment.py  what a cluster's environment variables say of this process
connection.py   messages over TCP, and a relay
hub.py          what joins all processes: a server in the first one
processes.py    what a process knows of the others, and does together with them
joining.py      joins the processes of a job, and starts JAX in all of them
gloo.py         what processes on CPUs need to be fast
devices.py      divides every batch among devices

Each process trains the same network on its share of every batch; JAX adds up what they find. So
all of them do the same at the same time. The first process writes, the others read what it wrote.
"""

from dvn_tf.distribution.environment import Place, find_place
from dvn_tf.distribution.joining import joined
from dvn_tf.distribution.processes import ALONE, Processes

__all__ = ["ALONE", "Place", "Processes", "find_place", "joined"]
