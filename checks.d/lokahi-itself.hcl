# lokahi looks after its own programs too.

check "lokahid" {
  url    = "${local.lokahid}/livez"
  labels = { part = "lokahi" }

  # All of it must hold for the check to be up. While no `assert` names a status,
  # 2xx is wanted.
  assert {
    status      = [200]
    max_latency = "500ms"
  }
}

# Its servers are there, too. A condition is an expression over the response, and
# the message says in the event what was seen.
check "lokahid_ready" {
  url    = "${local.lokahid}/readyz"
  labels = { part = "lokahi" }

  assert "database" {
    condition     = response.json.database == "ok"
    error_message = "Postgres: ${response.json.database}"
  }

  assert "nats" {
    condition     = response.json.nats == "ok"
    error_message = "NATS: ${response.json.nats}"
  }
}

# Whoever has the password sees the metrics. The files hold the name of a secret,
# never its value: the worker that probes has that, in LOKAHI_SECRET_SAMPLE_LOGIN
# or in a file of SECRETS_DIR. `cargo xtask up` sets it.
check "lokahid_metrics" {
  url     = "${local.lokahid}/metrics"
  headers = { authorization = "Basic ${secret("sample-login")}" }
  labels  = { part = "lokahi" }

  assert {
    header_matches = { content-type = "^application/openmetrics-text" }
    body_matches   = ["(?m)^lokahi_checks [1-9]"]
  }
}

# Nobody else does: that a door is shut can be checked, too.
check "lokahid_metrics_shut" {
  url    = "${local.lokahid}/metrics"
  labels = { part = "lokahi" }

  assert {
    status         = [401]
    header_matches = { www-authenticate = "^Basic realm=\"lokahi\"" }
  }
}

# lokahi-ignore: LK0906 whoever is down cannot be told so
check "sample_hook" {
  url     = "${local.hook}/livez"
  every   = "5s"
  timeout = "2s"
  labels  = { part = "sample" }

  assert {
    body_contains = ["ok"]
  }

  notify {
    webhooks = []
  }
}
