# An installation that is not always there: its checks are only declared while it is.
# That needs no maintenance window:
#
#   lokahictl apply --var staging=true staging
#   lokahictl apply staging
#
# The second takes its checks away again, with `- delete` in the plan.

lokahi {
  project = "with-staging"
}

variable "staging" {
  type        = bool
  default     = false
  description = "Whether there is a staging installation now."
}

locals {
  production = {
    shop = "https://www.example.com/"
    api  = "https://api.example.com/health"
  }

  # An empty map is no checks.
  staging = var.staging ? {
    shop = "https://www.staging.example.net/"
    api  = "https://api.staging.example.net/health"
  } : {}
}

webhook "oncall" {
  url    = "https://hooks.example.com/oncall"
  format = "json"
}

webhook "developers" {
  url    = "https://hooks.example.com/developers"
  format = "json"
}

check "production" {
  for_each = local.production
  url      = each.value
  every    = "30s"
  labels   = { env = "prod" }

  notify {
    webhooks = [webhook.oncall]
  }
}

# Less often, and nobody is woken.
check "staging" {
  for_each = local.staging
  url      = each.value
  every    = "5m"
  labels   = { env = "staging" }

  notify {
    webhooks = [webhook.developers]
  }
}
