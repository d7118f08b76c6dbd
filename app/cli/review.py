"""The questions of a production readiness review, and where each answer is."""

YOURS = "Yours to answer."
REVIEW = (
    ("Who owns the service, and who is on call for it?", YOURS),
    (
        "Which promise do you make to your users (SLO), and who sees that it is kept?",
        YOURS,
    ),
    (
        "Which load do you expect, and how much more can the service take?",
        "`make bench` measures the cost of a request. The load is yours to know.",
    ),
    (
        "What happens at more load than it can take?",
        "docs/limits.md, docs/operations.md: requests get 503 or 429 with Retry-After.",
    ),
    (
        "Is there a single point of failure?",
        "PostgreSQL is one. Its failover is yours. Run two instances of the service.",
    ),
    (
        "What happens when the database fails, hangs or restarts?",
        "docs/operations.md, “What happens when something fails?”; `make drill`.",
    ),
    (
        "What happens when Redis fails?",
        "`python -m drills.redis_outage`; docs/limits.md.",
    ),
    (
        "What happens when the mail server fails?",
        "`python -m drills.outbox`; docs/mail.md.",
    ),
    (
        "Does every call to another service have a timeout?",
        "`python -m app doctor` prints their order; docs/settings.md.",
    ),
    ("Can a retry do the work twice?", "docs/idempotency.md and its tests."),
    ("Can a deployment be made without failed requests?", "docs/deploying.md."),
    (
        "Can you go back to the release before?",
        "Yes: its `python -m app db upgrade` leaves a newer schema as it is.",
    ),
    (
        "Can a change of the schema stop the service?",
        "`make check` refuses unsafe revisions; docs/deploying.md.",
    ),
    (
        "Do the settings of production differ from those that were tested?",
        "`python -m app config check --strict` in each environment.",
    ),
    (
        "Is the service ready to take requests after the deployment?",
        "`python -m app doctor`, and /api/v1/health/ready.",
    ),
    (
        "Are there backups, and did you restore one this week?",
        "`python -m app db restore FILE --verify`; docs/backup.md.",
    ),
    (
        "How much data may be lost (RPO), and how long may a restore take (RTO)?",
        "The interval of your backups, and the time that --verify prints.",
    ),
    (
        "Are secrets outside the code, and can you rotate each one?",
        "`python -m app keys rotate`; docs/operations.md.",
    ),
    (
        "Are connections encrypted?",
        "Production refuses a remote database or Redis without TLS. TLS for clients is "
        "the work of your proxy.",
    ),
    (
        "Who may do what, and is it tested?",
        "docs/security.md lists each route and its test.",
    ),
    ("Who changed what, and when?", "`python -m app audit list`."),
    ("Which data of people is stored, and can it be erased?", "docs/data.md."),
    ("Are there known weaknesses in the packages?", "`make audit STRICT=1`."),
    (
        "Can you find the cause of one failed request?",
        "Search the log for its X-Request-ID; docs/operations.md.",
    ),
    ("Who gets an alert, and does each alert lead to a page?", YOURS),
    (
        "Do the logs contain secrets or bodies?",
        "docs/operations.md, “What do the logs say?”",
    ),
    (
        "Is there capacity for a peak: connections, files, disk?",
        "`python -m app doctor`.",
    ),
    ("Is the load balancer set up as the service expects?", "docs/deploying.md."),
    ("Does every dependency have an owner and a contact?", YOURS),
    (
        "Have you practised an incident?",
        "`make drill` injects faults. The people are yours.",
    ),
    ("What does it cost, and who pays?", YOURS),
)
