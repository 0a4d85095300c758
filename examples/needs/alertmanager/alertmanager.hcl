# Routing and silences stay where they are, in Alertmanager: lokahi says what fires.

lokahi {
  project = "infra"
}

# The base URL. Labels of a check are labels of its alert: what routes go by.
webhook "alertmanager" {
  url    = "http://alertmanager.example.com:9093"
  format = "alertmanager"
}

defaults {
  notify {
    webhooks = [webhook.alertmanager]
  }
}

check "registry" {
  url    = "https://registry.example.com/v2/"
  labels = { severity = "page", team = "infra" }
}

check "mirror" {
  url    = "https://mirror.example.com/"
  labels = { severity = "ticket", team = "infra" }
}
