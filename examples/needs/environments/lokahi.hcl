# One set of files for all environments. What differs is a variable, and each
# environment has a file with its values:
#
#   lokahictl apply --var-file environments/prod.vars environments
#   lokahictl apply --var-file environments/test.vars environments
#
# The project hangs on the variable, so the two do not touch each other's checks.

lokahi {
  project = "shop-${var.env}"
}

variable "env" {
  type        = string
  description = "Which installation this is. No default: nobody applies prod by accident."

  validation {
    condition     = contains(["prod", "test"], var.env)
    error_message = "The environment is prod or test, not ${var.env}."
  }
}

variable "domain" {
  type        = string
  description = "Where it is reached."

  validation {
    condition     = !startswith(var.domain, "http")
    error_message = "The domain alone, without https://."
  }
}

variable "every" {
  type        = string
  default     = "60s"
  description = "How often each check looks."
}

webhook "oncall" {
  url    = "https://hooks.example.com/${var.env}"
  format = "json"
}

defaults {
  every  = var.every
  labels = { env = var.env }

  notify {
    webhooks = [webhook.oncall]
  }
}

check "homepage" {
  url = "https://www.${var.domain}/"
}

check "api" {
  url = "https://api.${var.domain}/health"

  # Wakes people at once in prod; a test installation is restarted all the time.
  confirm {
    failures = var.env == "prod" ? 2 : 10
  }
}
