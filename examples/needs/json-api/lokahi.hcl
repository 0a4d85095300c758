# An API that says in JSON how it is. Three ways, from the short one to the one that
# can say anything.

lokahi {
  project = "json-api"
}

webhook "oncall" {
  url    = "https://hooks.example.com/oncall"
  format = "json"
}

defaults {
  headers = { accept = "application/json" }

  notify {
    webhooks = [webhook.oncall]
  }
}

# Values in places: all of them must be there and equal.
check "orders" {
  url = "https://api.example.com/orders/health"

  assert {
    json = { status = "ok", "database.connected" = true, "queues[0].length" = 0 }
  }
}

# What is more than equal is a condition, and its message says what was seen: in the
# event, in `lokahictl list --status`, in the log.
check "queue" {
  url = "https://api.example.com/queue/health"

  assert "short" {
    condition     = response.json.length < 1000
    error_message = "${response.json.length} orders are waiting"
  }

  assert "moving" {
    condition     = response.json.oldest_seconds < 300 || response.json.length == 0
    error_message = "the oldest has waited for ${response.json.oldest_seconds} s"
  }
}

# Over the members of a list: which of them are not as they should be?
check "nodes" {
  url = "https://api.example.com/nodes"

  assert "all_ready" {
    condition     = alltrue([for node in response.json.nodes : node.ready])
    error_message = "not ready: ${join(", ", [for node in response.json.nodes : node.name if !node.ready])}"
  }

  assert "enough" {
    condition = length(response.json.nodes) >= 3
  }
}

# A question is a POST; jsonencode writes its body.
check "search" {
  url     = "https://api.example.com/search"
  method  = "POST"
  headers = { content-type = "application/json" }
  body    = jsonencode({ query = "shoes", limit = 1 })

  assert {
    condition     = length(response.json.hits) == 1
    error_message = "nothing is found"
  }
}
