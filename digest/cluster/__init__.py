"""Many machines: the daemon's work as jobs in PostgreSQL, done by `digest worker` wherever one runs.

Procrastinate hands jobs out, fires the clock once for all workers, and gives a dead worker's jobs to others; the outbox
keeps what was promised to readers. A job that runs twice does no harm, so the engine only has to distribute.

* `jobs`    what there is to do, and when
* `worker`  a process that does it
* `schema`  Procrastinate's tables, beside ours
* `looking` queues and workers, for `digest status`
"""
