# lokahi looks after its own programs too.

check "lokahid" {
  url    = "http://127.0.0.1:24253/livez"
  labels = { part = "lokahi" }

  # All of it must hold for the check to be up. While no `assert` names a status,
  # 2xx is wanted.
  assert {
    status      = [200]
    max_latency = "500ms"
  }
}

# lokahi-ignore: LK0906 whoever is down cannot be told so
check "sample_hook" {
  url     = "http://127.0.0.1:24255/livez"
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
