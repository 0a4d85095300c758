# Who hears when lokahi is dead? Another lokahi, elsewhere, with these files: it asks the first one how
# it does. Let the first one watch the second in the same way.
#
# Whether messages really come out at the other end only the first one's own canary can say: give it
# HEARTBEAT_URL, a URL of a service that calls somebody when no heartbeat comes any more.

lokahi {
  project = "lokahi-itself"
}

# Of its own, and nothing that the first lokahi needs, too.
webhook "oncall" {
  url    = "https://hooks.example.com/oncall"
  format = "json"
}

check "lokahi" {
  url          = "https://lokahi.example.com/readyz"
  playbook_url = "https://wiki.example.com/lokahi"

  # 503 says that Postgres or NATS is away; what else is wrong leaves it at 200.
  assert "probes" {
    condition     = response.json.probes == "ok"
    error_message = "${response.json.probes}"
  }

  assert "deliveries" {
    condition     = response.json.deliveries == "ok"
    error_message = "${response.json.deliveries}"
  }

  notify {
    webhooks = [webhook.oncall]
    repeat   = "1h"
  }
}
