// Stands in for the package that makes an import from the client an error.
export {};
