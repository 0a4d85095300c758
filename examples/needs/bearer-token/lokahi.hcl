# An API that wants a token. The files, the plan, the database and the log only have
# the secret's name; the health worker has its value, and reads it at each probe:
#
#   LOKAHI_SECRET_SHOP_TOKEN=...      in its environment, or
#   SECRETS_DIR=/run/secrets          and a file shop-token in there
#
# While it has none the check is neither up nor down: the fault would be ours.

lokahi {
  project = "bearer-token"
}

# A receiver's URL may be a secret as a whole: those of chats let anyone write.
webhook "oncall" {
  url    = secret("oncall-url")
  format = "json"
}

defaults {
  notify {
    webhooks = [webhook.oncall]
  }
}

template "with_token" {
  headers = { authorization = "Bearer ${secret("shop-token")}" }
}

check "account" {
  use = [template.with_token]
  url = "https://api.example.com/me"

  assert {
    json = { login = "lokahi" }
  }
}

# The token travels to this site alone: a redirect to another one goes without it.
check "orders" {
  use = [template.with_token]
  url = "https://api.example.com/orders?limit=1"
}

# In a body as well. `jsonencode` takes care of quotes in the value.
check "login" {
  url     = "https://api.example.com/login"
  method  = "POST"
  headers = { content-type = "application/json" }
  body    = jsonencode({ user = "lokahi", password = secret("shop-password") })
  every   = "5m"

  assert {
    condition = can(response.json.token)
  }
}

# And without a token the door is shut.
check "orders_shut" {
  url = "https://api.example.com/orders?limit=1"

  assert {
    status = [401, 403]
  }
}
