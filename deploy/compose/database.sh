#!/bin/sh
# Runs once, as superuser, when the database is made: Forewarn's role must be an ordinary one, else row-level
# security would not bind it.
set -e
psql -v ON_ERROR_STOP=1 -v password="$DATABASE_PASSWORD" -U postgres <<'SQL'
CREATE ROLE forewarn LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE PASSWORD :'password';
CREATE DATABASE forewarn OWNER forewarn;
\connect forewarn
CREATE EXTENSION IF NOT EXISTS timescaledb;
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
SQL
