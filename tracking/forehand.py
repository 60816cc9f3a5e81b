"""The first part of opening a database store, which is the same for every store: importing this module does it.

A process that others are forked from imports it, so that they need not repeat it: MLflow's store is imported, its mapped classes
are linked with each other, and the newest revision of its tables is looked up. No database is opened and nothing is written.
"""

import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from sqlalchemy.orm import configure_mappers

from tracking.database import newest_revision

configure_mappers()
newest_revision()
