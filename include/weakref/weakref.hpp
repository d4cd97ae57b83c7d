// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_WEAKREF_HPP
#define WEAKREF_WEAKREF_HPP

// The whole library, but for report.hpp.

#include <weakref/defer.hpp>
#include <weakref/errors.hpp>
#include <weakref/finalize.hpp>
#include <weakref/fwd.hpp>
#include <weakref/hash.hpp>
#include <weakref/keyed_ref.hpp>
#include <weakref/mutex.hpp>
#include <weakref/pmr.hpp>
#include <weakref/proxy.hpp>
#include <weakref/ref.hpp>
#include <weakref/referent.hpp>
#include <weakref/statistics.hpp>
#include <weakref/version.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_method.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#endif
