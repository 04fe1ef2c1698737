# Thin names for commands that live elsewhere; `python3 dev.py` does the work and needs no make.
.PHONY: run test fmt build clean check sqlc createtb droptb create-network docker-build docker-run docker-rebuild \
        docker-logs docker-logs-tail docker-restart docker-stop docker-exec startkafka kafka-up

COMPOSE := docker compose --env-file .env.docker

run:               ## the whole product on this machine
	python3 dev.py demo
test:              ## the whole test suite
	python3 dev.py test
check:             ## format, lint, types, layers, migrations, production settings
	bash .ci/check
fmt:
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .
build:             ## the virtual environment, as requirements.lock says
	python3 dev.py install
clean:             ## the demo's data and every cache; asks nothing, so stop the demo first
	rm -rf .dev .tools .venv .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov staticfiles .coverage*

sqlc:              ## queries are Django's, so nothing is generated: checks that the tables are up to date
	python3 dev.py manage migrate --check
createtb:
	python3 dev.py manage migrate --no-input
droptb:            ## takes the business tables away, with everything in them
	python3 dev.py manage migrate settlements zero --no-input
	python3 dev.py manage migrate payments zero --no-input
	python3 dev.py manage migrate ledger zero --no-input

create-network:
	docker network inspect e-commerce-network >/dev/null 2>&1 || docker network create e-commerce-network
docker-build: .env.docker
	$(COMPOSE) build
docker-run:
	sh deploy/docker-run.sh
docker-rebuild: docker-stop docker-run
docker-logs: .env.docker
	$(COMPOSE) logs
docker-logs-tail: .env.docker
	$(COMPOSE) logs --follow --tail 100
docker-restart: .env.docker
	$(COMPOSE) restart
docker-stop: .env.docker
	$(COMPOSE) down
docker-exec: .env.docker
	$(COMPOSE) exec web bash
startkafka kafka-up: create-network .env.docker
	$(COMPOSE) up -d kafka
.env.docker:
	sh deploy/docker-run.sh --only-env
