"""`python -m autonomous_healing`: the same as `start_agents.py`."""

from autonomous_healing.start_agents import main

main()
