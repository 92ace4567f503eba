"""The embedded estate: what makes the whole of Groundwork run on one machine from real parts."""
