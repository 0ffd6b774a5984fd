-- Run once, when PostgreSQL's volume is new; the database mlflow is made by the image itself.
CREATE DATABASE mlflow_auth;
CREATE DATABASE optuna;
