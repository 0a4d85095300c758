# What may differ from one installation to the next. A value comes from
# `--var env=test`, from a file (`--var-file`), or from LOKAHI_VAR_env.

variable "env" {
  type        = string
  default     = env("LOKAHI_ENV", "local")
  description = "Which installation this is; every check has it as a label."

  validation {
    condition     = contains(["local", "test", "prod"], var.env)
    error_message = "The environment is local, test or prod, not ${var.env}."
  }
}

variable "port" {
  type        = number
  default     = 24253
  description = "Where lokahid listens; the duke and the receiver have the two ports after it."

  validation {
    condition     = var.port >= 1 && var.port <= 65533
    error_message = "A port is a number from 1 to 65533, and two more have to follow."
  }
}

# Values with names. Whatever repeats is written down once.
locals {
  lokahid = "http://127.0.0.1:${var.port}"
  duke    = "http://127.0.0.1:${var.port + 1}"
  hook    = "http://127.0.0.1:${var.port + 2}"
}
