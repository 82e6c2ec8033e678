// Jest runs tests in a realm of its own, so errors of Node's core (ECONNREFUSED, ENOENT) are no `instanceof Error`
// there, and libraries that ask take them for something else.
Object.defineProperty(Error, Symbol.hasInstance, {
  configurable: true,
  value(candidate) {
    return this === Error
      ? Error.isError(candidate)
      : Function.prototype[Symbol.hasInstance].call(this, candidate);
  },
});
