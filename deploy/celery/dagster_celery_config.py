"""Celery's settings of the workers, `celery -A booking_assets.cluster.worker worker`.

Its folder has to be in PYTHONPATH. The launcher's are in `dagster.yaml`.
"""

import os

broker_url = os.environ["DAGSTER_CELERY_BROKER_URL"]
broker_connection_retry_on_startup = True

# A worker takes a run when it has a free process, and none in advance, which would wait behind a
# long run while other workers are idle. The second setting is what does it with Redis.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True

# A run is taken off the queue before it begins. Taken off after its end, Redis would deliver each
# run again that takes longer than an hour; and of a worker that died, Dagster starts the run again.
task_acks_late = False

# A process for each run: it reads `booking.toml` as it is then, and gives its memory back.
worker_max_tasks_per_child = 1

# Whether a run goes on is known by its lock, and how it ended from Dagster.
result_backend = None
task_ignore_result = True
